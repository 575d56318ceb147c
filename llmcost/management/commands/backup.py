"""`manage.py backup`: see llmcost/up/backups.py."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from llmcost.up import backups


class Command(BaseCommand):
    """Make a backup, prove it, drop those that are too old."""

    help = "Write a compressed backup, prove it by restoring it, and drop those that are too old."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the folder."""
        parser.add_argument(
            "--to",
            type=Path,
            default=settings.BACKUP_DIR,
            help="The folder; default: BACKUP_DIR.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Say where it is and what is in it."""
        self.stderr.write("Dumping and proving …")
        try:
            made = backups.make_backup(options["to"])
        except backups.BackupFailed as error:
            raise CommandError(str(error)) from error
        old = backups.drop_old(options["to"], settings.BACKUP_DAYS)
        self.stdout.write(
            f"{made.path}: {made.size_bytes / 1e6:.1f} MB, {made.rows:,} rows proved;"
            f" {len(old)} older than {settings.BACKUP_DAYS} days dropped."
        )
