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
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import connection

from privacy.models import AppliedTombstone

LONGEST_LINE = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class TombstoneLine:
    """One line of the file. `scope` is account, project, span, user (an end user) or person."""

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
    """Append a tombstone to the file and sync it; the same id twice is harmless.

    Raises OSError if there is no room for the whole line: then nothing may be deleted.
    """
    path = Path(settings.ERASURE_LOG)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(line), sort_keys=True) + "\n"
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        flock(file, LOCK_EX)
        file.truncate(_end_of_whole_lines(file))
        file.seek(0, os.SEEK_END)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _end_of_whole_lines(file: BinaryIO) -> int:
    """Return where the next line begins: what a killed process left half-written counts for none.

    It was never acted upon, and the next line must not become its other half.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - LONGEST_LINE))
    last = file.read()
    if length and b"\n" not in last and len(last) == LONGEST_LINE:
        raise ValueError(f"{settings.ERASURE_LOG} does not end as this product writes it")
    return length - len(last) + last.rfind(b"\n") + 1


def mark_applied(tombstone_id: str) -> None:
    """Note in the database, with the deletion's transaction, that this database has it."""
    AppliedTombstone.objects.get_or_create(id=tombstone_id)


def unapplied() -> list[TombstoneLine]:
    """Return the file's tombstones that this database does not know, oldest first, each once."""
    buried = {line.id: line for line in lines()}
    known = set(
        AppliedTombstone.objects.filter(id__in=buried).values_list("id", flat=True)
        if buried
        else ()
    )
    return [line for line in buried.values() if line.id not in known]


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


def lines() -> Iterator[TombstoneLine]:
    """Return what the file holds, oldest first; one that was buried twice stands there twice."""
    path = Path(settings.ERASURE_LOG)
    if not path.exists():
        return
    with path.open() as file:
        for text in file:
            if text.endswith("\n"):  # a half-written last line was never acted upon
                yield TombstoneLine(**json.loads(text))
