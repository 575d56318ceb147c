"""`manage.py import_account`: see privacy/exports/reading.py."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from privacy.exports.reading import ImportRefused, read_export


class Command(BaseCommand):
    """Read an export of ours into this installation."""

    help = "Read an export (ZIP) into a new account of somebody who has signed up here."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file and whose account it becomes."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--owner", required=True, help="E-mail address of the new owner.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check all of it, then write it; say how much."""
        owner = User.objects.filter(email=options["owner"].lower()).first()
        if owner is None:
            raise CommandError(f"Nobody has signed up here as {options['owner']}.")
        self.stderr.write("Checking every file and line …")
        try:
            account, new = read_export(options["file"], owner=owner)
        except ImportRefused as error:
            raise CommandError(f"{error} Nothing was written.") from error
        self.stdout.write(
            f"{account.name}: {new:,} calls read in. Keys are not part of an export: make new ones."
        )
