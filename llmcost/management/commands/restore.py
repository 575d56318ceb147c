"""`manage.py restore`: see llmcost/up/backups.py."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from llmcost.up import backups


class Command(BaseCommand):
    """Put a backup in the place of the database."""

    help = "Put a backup in the place of the database; everything newer than it is lost."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, and consent."""
        parser.add_argument("backup", type=Path)
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask, restore, say what comes next."""
        if not options["yes"]:
            answer = input(f"Replace the database by {options['backup']}? Type yes: ")
            if answer.strip() != "yes":
                raise CommandError("Nothing was changed.")
        try:
            rows = backups.restore_backup(options["backup"])
        except backups.BackupFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{rows:,} rows restored. Now run `manage.py migrate` as the owner (`make up` does),"
            " then `manage.py after_restore`: until it has erased again what was erased since the"
            " backup, /readyz answers 503."
        )
