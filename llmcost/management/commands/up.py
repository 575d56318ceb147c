"""`manage.py up`: see llmcost/up/."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Become the supervisor, which needs a tenth of the memory without Django in it."""

    help = "Start PostgreSQL, web, worker and scheduler as one group, until Ctrl-C."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Replace this process; it does not return."""
        os.execv(sys.executable, [sys.executable, "-m", "llmcost.up"])  # noqa: S606 - ourselves
