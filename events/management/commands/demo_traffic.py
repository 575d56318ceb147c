"""`manage.py demo_traffic`: see events/demo/trickle.py."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from events.demo import workspace


class Command(BaseCommand):
    """Make a key and become the trickle, which needs a fifth of the memory without Django in it."""

    help = "Send a small live call to the demo workspace every few seconds, until SIGTERM."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url", default=settings.PUBLIC_URL, help="the running site (default: %(default)s)"
        )
        parser.add_argument(
            "--force", action="store_true", help="also on a server with a PUBLIC_URL"
        )

    def handle(self, *_args: Any, url: str, force: bool, **_options: Any) -> None:
        """Replace this process; it does not return."""
        try:
            key = workspace.issue_traffic_key(workspace.open_demo(force=force))
        except workspace.NotHere as error:
            raise CommandError(str(error)) from None
        connections.close_all()
        # Through a pipe: arguments and environment of a process can be read by others.
        read_end, write_end = os.pipe()
        os.write(write_end, f"{key}\n".encode())
        os.close(write_end)
        os.dup2(read_end, sys.stdin.fileno())
        os.close(read_end)
        os.chdir(settings.BASE_DIR)
        self.stdout.write(f"Sending a small call to the demo workspace every few seconds ({url}).")
        self.stdout.flush()
        os.execv(  # noqa: S606 - no shell is wanted
            sys.executable, [sys.executable, "-S", "-m", "events.demo.trickle", url]
        )
