"""`manage.py after_restore`: see privacy/after_restore.py."""

from typing import Any

from django.core.management.base import BaseCommand

from privacy.after_restore import replay


class Command(BaseCommand):
    """Erase again what was erased after the backup was made."""

    help = "After a restore: erase again what was erased since the backup was made."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Say what was there to erase."""
        done = list(replay())
        again = sum(1 for _, found in done if found)
        self.stdout.write(
            f"{len(done)} deletions are newer than this database; {again} of them had something"
            " to erase again."
        )
