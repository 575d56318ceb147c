"""`manage.py seed_demo`: see events/demo/."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from events.demo import workspace
from events.demo.seed import PATIENCE_SECONDS, seed
from events.demo.wire import Refused, Unreachable


class Command(BaseCommand):
    """Fill the demo workspace once; every later run says that it is there."""

    help = (
        "Make the demo workspace and fill it with 28,185 calls of the Azure traces, spread over "
        "the last 30 days, through the HTTP endpoint of the running site. Run again: does nothing."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url", default=settings.PUBLIC_URL, help="the running site (default: %(default)s)"
        )
        parser.add_argument(
            "--force", action="store_true", help="also on a server with a PUBLIC_URL"
        )

    def handle(self, *_args: Any, url: str, force: bool, **_options: Any) -> None:
        began = time.monotonic()
        try:
            demo = workspace.open_demo(force=force)
            if done_at := workspace.seeding_done_at(demo):
                self.stdout.write(f"The demo workspace was filled on {done_at:%Y-%m-%d}.")
            else:
                seeded = seed(demo, url)
                self.stdout.write(
                    f"Filled the demo workspace in {time.monotonic() - began:.1f} s: "
                    f"{seeded.accepted:,} calls, {seeded.duplicates:,} were there, "
                    f"{seeded.rejected:,} refused."
                )
        except workspace.NotHere as error:
            raise CommandError(str(error)) from None
        except Refused as error:
            raise CommandError(f"The demo workspace is not filled: {error}.") from None
        except Unreachable:
            raise CommandError(
                f"The demo workspace is not filled: {url} gave no answer in "
                f"{PATIENCE_SECONDS:.0f} s. Run it again when the site is up."
            ) from None
        self.stdout.write(
            f"Sign in at {url}/login/ with {workspace.EMAIL} and the password {workspace.PASSWORD}"
        )
