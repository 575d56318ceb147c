"""`manage.py down`: see llmcost/up/down.py."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from llmcost.up.down import stop_group


class Command(BaseCommand):
    """Stop the group that `up` has started in this folder."""

    help = "Stop what `up` has started in this folder."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Stop it and say what was done."""
        self.stdout.write(stop_group(settings.DATA_DIR))
