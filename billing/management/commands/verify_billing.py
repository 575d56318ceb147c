import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

SECONDS_BETWEEN_LINES = 2.0


class Command(BaseCommand):
    help = "Compare what was billed beyond the plans with the events, account by account."

    def handle(self, *args: Any, **options: Any) -> None:
        from billing import verify  # noqa: PLC0415 - manage.py logs in as whoever has dj-stripe

        accounts, wrong, shown_at = verify.paying_accounts(), 0, time.monotonic()
        for number, account_id in enumerate(accounts, start=1):
            for difference in verify.differences(account_id):
                wrong += 1
                self.stdout.write(str(difference))
            if time.monotonic() - shown_at > SECONDS_BETWEEN_LINES:
                shown_at = time.monotonic()
                self.stderr.write(f"{number} of {len(accounts)} accounts …")
        if wrong:
            raise CommandError(
                f"Differences: {wrong}. Accounts looked at: {len(accounts)}.", returncode=1
            )
        self.stdout.write(f"No difference. Accounts looked at: {len(accounts)}.")
