"""What was erased, remembered outside the database, so that a restored backup forgets it again.

A tombstone names nothing readable: keyed hashes of what was erased. It is written to a file that
no backup of the database holds (`ERASURE_LOG`, synced to disk) before anything is deleted, and to
the database with the deletion. A database that lacks one of the file's tombstones is an older
one: /readyz answers 503 until `manage.py after_restore` has erased again.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection

from privacy.models import AppliedTombstone


@dataclass(frozen=True, slots=True, kw_only=True)
class TombstoneLine:
    """One line of the file. `scope` is account, project, span or user."""

    id: str
    scope: str
    at: str
    account: str
    project: str = ""
    user: str = ""
    start: str = ""
    end: str = ""
    mode: str = "delete"


def bury(line: TombstoneLine) -> None:
    """Append a tombstone to the file and sync it; the same id twice is harmless."""
    path = Path(settings.ERASURE_LOG)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(line), sort_keys=True) + "\n"
    # One write of less than a page with O_APPEND: lines of several processes never mix.
    target = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(target, text.encode())
        os.fsync(target)
    finally:
        os.close(target)


def mark_applied(tombstone_id: str) -> None:
    """Note in the database, with the deletion's transaction, that this database has it."""
    AppliedTombstone.objects.get_or_create(id=tombstone_id)


def unapplied() -> list[TombstoneLine]:
    """Return the file's tombstones that this database does not know, oldest first, each once."""
    lines = {line.id: line for line in _lines()}
    known = set(
        AppliedTombstone.objects.filter(id__in=lines).values_list("id", flat=True) if lines else ()
    )
    return [line for line in lines.values() if line.id not in known]


_complete: tuple[int, int] | None = None


def is_behind() -> bool:
    """Say whether this database lacks a tombstone of the file: it was restored.

    Asked often, so a database (by its number, which a restored one does not share) and a length
    of the file that were found to agree are remembered.
    """
    global _complete
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
        number = cursor.fetchone()[0]
    try:
        now = (number, Path(settings.ERASURE_LOG).stat().st_size)
    except FileNotFoundError:
        return False
    if now == _complete:
        return False
    if unapplied():
        return True
    _complete = now
    return False


def _lines() -> Iterator[TombstoneLine]:
    path = Path(settings.ERASURE_LOG)
    if not path.exists():
        return
    with path.open() as file:
        for text in file:
            if text.endswith("\n"):  # a half-written last line was never acted upon
                yield TombstoneLine(**json.loads(text))
