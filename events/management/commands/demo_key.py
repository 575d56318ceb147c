"""`manage.py demo_key`: see events/demo/workspace.py."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events.demo import workspace
from projects.models import Scope


class Command(BaseCommand):
    """Print a key and nothing else, so that `KEY=$(manage.py demo_key)` works."""

    help = "Print a fresh key of the demo workspace, which is made if it is missing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--scopes",
            nargs="+",
            choices=Scope.values,
            default=Scope.values,
            help="what the key may be used for (default: everything)",
        )
        parser.add_argument(
            "--force", action="store_true", help="also on a server with a PUBLIC_URL"
        )

    def handle(self, *_args: Any, scopes: list[str], force: bool, **_options: Any) -> None:
        try:
            demo = workspace.open_demo(force=force)
        except workspace.NotHere as error:
            raise CommandError(str(error)) from None
        wanted = [Scope(scope) for scope in dict.fromkeys(scopes)]
        self.stdout.write(workspace.issue_demo_key(demo, name=workspace.PRINTED_KEY, scopes=wanted))
