"""`manage.py import_account`: see privacy/exports/reading.py."""

import re
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from accounts.models import User
from privacy.exports.portability import CALLS, DECISIONS
from privacy.exports.reading import Reading, read_export
from privacy.exports.unpacking import ImportRefused

TELL_EVERY_SECONDS = 2.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Command(BaseCommand):
    """Read an export of ours into this installation."""

    help = (
        "Read an export (ZIP) into a new account of somebody who has signed up here. It is checked"
        " whole first, and refused whole; read again, it changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--owner", required=True, help="e-mail address of the new owner")
        parser.add_argument(
            "--invite-members",
            action="store_true",
            help="send the other members an invitation, which each has to accept",
        )

    def handle(
        self, *_args: Any, file: Path, owner: str, invite_members: bool, **_options: Any
    ) -> None:
        person = User.objects.filter(email=owner.lower(), is_active=True).first()
        if person is None:
            raise CommandError(f"Nobody has signed up here as {owner}.")
        self._told_at = time.monotonic()
        try:
            reading = read_export(
                file, owner=person, invite_members=invite_members, tell=self._tell
            )
        except ImportRefused as error:
            raise CommandError(f"{error} Nothing was written.") from error
        except DatabaseError as error:
            raise CommandError(
                "The database has ended the reading. Run it again: nothing is read in by half."
            ) from error
        for line in _report(reading):
            self.stdout.write(_CONTROL.sub("?", line))

    def _tell(self, what: str, done: int, whole: int) -> None:
        now = time.monotonic()
        if now - self._told_at >= TELL_EVERY_SECONDS:
            self._told_at = now
            self.stderr.write(f"{what}: {done * 100 // max(whole, 1)} %")


def _report(reading: Reading) -> list[str]:
    """Say in one line what was done, then what was read, what not and why, and what is left."""
    name, calls = reading.account.name, reading.lines[CALLS]
    lines = [
        f"{name}: this export was read in before; nothing has changed."
        if reading.was_there
        else f"{name}: {calls:,} calls read in."
    ]
    for file, decision in DECISIONS.items():
        if count := reading.lines.get(file, 0):
            lines.append(f"{file} ({count:,}). {decision}")
    lines += [
        f"Make a key for {project} in place of {key.hint}: {key.name} ({', '.join(key.scopes)})"
        for project, key in reading.missing_keys
    ]
    lines += [
        f"{project}: calls of {count:,} erased end users were refused there"
        for project, count in reading.refused_users.items()
    ]
    if reading.invited is not None:
        lines.append(f"{reading.invited:,} members invited. {reading.not_invited}".rstrip())
    return lines
