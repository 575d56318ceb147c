"""Asking for an export, writing it, handing it out, shredding it.

A request is a row. The small tables are written from one snapshot, whose moment counts for all;
then the calls that had been received by then, part by part. Each part is committed with its place
in the row, so that a worker that dies is followed by one that goes on there.
"""

import logging
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Greatest, Now

from accounts import audit
from accounts.models import Account, User
from events import erasure
from events.erasure import Selection
from events.sql import statement
from llmcost import clock, outbox
from llmcost.errors import NotFound
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant, tenant_snapshot
from privacy import receipts
from privacy.exports import content
from privacy.exports.archive import GrowingZip, alone_at
from privacy.exports.parquet import ParquetFile
from privacy.models import Export
from projects.models import Project

logger = logging.getLogger(__name__)

EXPORT = "export"
FORMAT_VERSION = 1
# Calls in a file, and how many of them are in memory at once.
PART, BLOCK = 20_000, 2_000
KEPT = timedelta(days=7)
# A worker that dies is followed after LEASE, which every part renews; no two write one file.
LEASE, CHUNK = timedelta(seconds=20), timedelta(seconds=90)
MOST_ATTEMPTS = 50
_START = (datetime(2000, 1, 1, tzinfo=UTC), UUID(int=0))


class Ended(Exception):
    """It is not to be written on: it is ready, failed too often, or an erasure came."""


# --- Asking ----------------------------------------------------------------------------------
def ask(account_id: int, *, by: User) -> Export:
    """Ask for an export of everything, inside the account's context; one at a time a member."""
    running = Export.objects.open().filter(account_id=account_id, requested_by=by.pk)
    try:
        with transaction.atomic():
            asked = Export.objects.create(
                account_id=account_id, requested_by=by.pk, requested_at=clock.now()
            )
            audit.record(account_id, "data.export_asked", by=by, subject=str(asked.public_id))
    except IntegrityError:
        return running.get()
    due.schedule(EXPORT, account_id, clock.now())
    transaction.on_commit(_wake, robust=True)
    return asked


def _wake() -> None:
    """Begin soon; the sweeper of each ten seconds finds the row if this is lost."""
    current_app.send_task("privacy.tasks.export_due", retry=False)


# --- Writing ---------------------------------------------------------------------------------
def export_due() -> int:
    """Write what was asked for, for at most CHUNK; return how many exports became ready."""
    ready = 0
    for turn in due.turns(EXPORT, lease=LEASE, within=CHUNK):
        account_id = turn.account_id
        with tenant(account_id):
            waiting = list(Export.objects.open().filter(account_id=account_id).order_by("pk"))
        for asked in waiting:
            ready += write(asked, turn.goes_on)
        shred_expired(account_id)
        with tenant(account_id):
            is_open = Export.objects.open().filter(account_id=account_id).exists()
        if is_open and not turn.goes_on():
            _wake()
        turn.end(clock.now() + (timedelta(0) if is_open else timedelta(hours=1)))
    return ready


def write(asked: Export, goes_on: Callable[[], bool] = lambda: True) -> bool:
    """Write an export up to its end, or as long as it `goes_on`; say whether it is ready."""
    with alone_at(path_of(asked)) as is_mine:
        if not is_mine:
            return False
        try:
            return _write(asked, goes_on)
        except Ended:
            _shred_unless_ready(asked)
            return False


def _write(asked: Export, goes_on: Callable[[], bool]) -> bool:
    begun = _begin(asked)
    archive = GrowingZip(path_of(begun), size=begun.size_bytes, files=begun.cursor.get("files", 0))
    if begun.moment is None:
        _write_tables(begun, archive)
    while begun.cursor["projects"]:
        if not goes_on():
            return False
        _write_part(begun, archive)
    _finish(begun, archive)
    return True


def path_of(asked: Export) -> Path:
    """Return where an export's file is. Its name can be guessed by nobody and is told nobody."""
    folder = Path(settings.EXPORT_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{asked.public_id.hex}.zip"


def _begin(asked: Export) -> Export:
    with tenant(asked.account_id):
        row = (
            Export.objects.open()
            .select_for_update()
            .filter(account_id=asked.account_id, pk=asked.pk)
            .first()
        )
        if row is None:
            raise Ended
        row.attempts += 1
        if row.attempts > MOST_ATTEMPTS:
            row.state = Export.State.FAILED
            row.save(update_fields=["state", "attempts"])
            logger.error("export_given_up", extra={"export": str(row.public_id)})
        else:
            row.state = Export.State.RUNNING
            row.save(update_fields=["state", "attempts"])
    if row.state == Export.State.FAILED:
        raise Ended
    return row


def _write_tables(begun: Export, archive: GrowingZip) -> None:
    """Write README and the small tables from one snapshot, and fix the moment."""
    with tenant_snapshot(begun.account_id) as moment, archive.step():
        account = Account.objects.get(pk=begun.account_id)
        with archive.file("README.md") as file:
            file.write(content.readme(account.name, moment.isoformat(), FORMAT_VERSION).encode())
        account_ref = receipts.reference("account", account.public_id)
        for source in content.sources():
            _write_table(archive, source, account=account.pk, account_ref=account_ref)
        projects = list(Project.objects.filter(account_id=begun.account_id).order_by("pk"))
        begun.moment = moment
    expected = sum(
        erasure.held(
            Selection(account_id=begun.account_id, project_id=project.pk, received_until=moment)
        )
        for project in projects
    )
    begun.events_expected = expected
    begun.cursor = {
        "projects": [[project.pk, project.slug] for project in projects],
        "after": [_START[0].isoformat(), str(_START[1])],
        "part": 1,
        "rates": [],
    }
    _commit(begun, archive)


def _write_table(archive: GrowingZip, source: content.Source, **whose: Any) -> None:
    names = list(source.columns)
    with archive.file(f"{source.name}.json") as file:
        for row in content.rows(source, **whose):
            file.write(content.as_json(names, [row]))
    with archive.file(f"{source.name}.csv") as file:
        file.write(content.as_csv([names]))
        for row in content.rows(source, **whose):
            file.write(content.as_csv([row]))


def _write_part(begun: Export, archive: GrowingZip) -> None:
    """Write the next calls of the project that is being written, and go on to the next one."""
    cursor = begun.cursor
    project_id, slug = cursor["projects"][0]
    names = content.call_columns()
    rate, written = names.index("rate_id"), 0
    blocks = _blocks(begun, project_id, names)
    if first := next(blocks, None):
        place = f"calls/{slug}/part-{cursor['part']:05d}"
        rates, parquet = set(cursor["rates"]), ParquetFile(names)
        lines = [content.as_csv([names])]
        with archive.step():
            with archive.file(f"{place}.json") as file:
                for rows in chain([first], blocks):
                    file.write(content.as_json(names, rows))
                    lines.append(content.as_csv(rows))
                    parquet.add(rows)
                    rates |= {row[rate] for row in rows if row[rate]}
                    written += len(rows)
            with archive.file(f"{place}.csv") as file:
                for some in lines:
                    file.write(some)
            with archive.file(f"{place}.parquet", compressed=False) as file:
                file.write(parquet.content())
        cursor["part"] += 1
        cursor["rates"] = sorted(rates)
        begun.events_written += written
    if written < PART:
        cursor["projects"].pop(0)
        cursor["after"], cursor["part"] = [_START[0].isoformat(), str(_START[1])], 1
    _commit(begun, archive)


def _blocks(begun: Export, project_id: int, names: list[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Read the calls of the next part, some thousand at a time; the cursor moves along."""
    at, event_id = names.index("created_at"), names.index("event_id")
    left = PART
    while left:
        limit = min(BLOCK, left)
        rows = _events(begun, project_id, names, limit)
        if rows:
            begun.cursor["after"] = [rows[-1][at].isoformat(), str(rows[-1][event_id])]
            yield rows
        left = left - limit if len(rows) == limit else 0


def _events(begun: Export, project_id: int, names: list[str], limit: int) -> list[tuple[Any, ...]]:
    after_time, after_id = begun.cursor["after"]
    sql = statement("export_events").format(columns=", ".join(names))
    with tenant(begun.account_id), connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "account": begun.account_id,
                "project": project_id,
                "moment": begun.moment,
                "after_time": after_time,
                "after_id": after_id,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def _commit(begun: Export, archive: GrowingZip) -> None:
    """Let the row say how far the file is; a file that is longer is cut back to this."""
    begun.cursor["files"] = len(archive.files())
    begun.size_bytes = archive.size
    with tenant(begun.account_id):
        kept = Export.objects.open().filter(account_id=begun.account_id, pk=begun.pk)
        goes_on = kept.update(
            moment=begun.moment,
            cursor=begun.cursor,
            size_bytes=begun.size_bytes,
            events_expected=begun.events_expected,
            events_written=begun.events_written,
            attempts=0,  # only those that lead nowhere are counted
        )
    if not goes_on:
        raise Ended


def _finish(begun: Export, archive: GrowingZip) -> None:
    with archive.step():
        rates = content.rates()
        with archive.file(f"{rates.name}.json") as file:
            for row in content.rows(rates, rates=begun.cursor["rates"]):
                file.write(content.as_json(list(rates.columns), [row]))
        listed = {
            "format": FORMAT_VERSION,
            "moment": begun.moment.isoformat() if begun.moment else None,
            "calls": begun.events_written,
            "files": archive.files(),
        }
        with archive.file("manifest.json") as file:
            file.write(content.pretty(listed))
    now = clock.now()
    with tenant(begun.account_id):
        ready = Export.objects.open().filter(account_id=begun.account_id, pk=begun.pk)
        if not ready.update(
            state=Export.State.READY,
            size_bytes=archive.size,
            ready_at=now,
            expires_at=now + KEPT,
            cursor={},
        ):
            raise Ended
        due.schedule(EXPORT, begun.account_id, now + KEPT)
        user = User.objects.filter(pk=begun.requested_by).first()
        if user is not None:
            outbox.post(
                "privacy/email/export_ready",
                user.email,
                {"user": user, "days": KEPT.days},
                account_id=begun.account_id,
                once=f"export:{begun.public_id}",
            )
    archive.close()  # only now: whoever is killed before is followed by one that needs it


# --- Handing out and shredding ---------------------------------------------------------------
def hand_out(account_id: int, public_id: UUID, *, to: User) -> Path:
    """Return the file of a member's own export. Raises NotFound alike for a foreign, an expired,
    an unfinished one, and one that never was.
    """
    found = Export.objects.filter(
        account_id=account_id,
        public_id=public_id,
        requested_by=to.pk,
        state=Export.State.READY,
        # By the later clock: one that was set back opens nothing again.
        expires_at__gt=Greatest(Now(), Value(clock.now())),
    ).first()
    if found is None or not path_of(found).exists():
        raise NotFound
    audit.record(account_id, "data.export_downloaded", by=to, subject=str(public_id))
    return path_of(found)


def shred_expired(account_id: int) -> int:
    """Delete the files whose seven days are over; return how many."""
    with tenant(account_id):
        old = Export.objects.filter(
            account_id=account_id, state=Export.State.READY, expires_at__lte=clock.now()
        )
        return sum(_end(one) for one in old)


def shred_all(account_id: int) -> int:
    """Delete every export of an account, finished or not: what it holds may have been erased."""
    with tenant(account_id):
        held = Export.objects.filter(
            account_id=account_id,
            state__in=[Export.State.QUEUED, Export.State.RUNNING, Export.State.READY],
        )
        return sum(_end(one) for one in held)


def _shred_unless_ready(asked: Export) -> None:
    with tenant(asked.account_id):
        ready = Export.objects.filter(
            account_id=asked.account_id, pk=asked.pk, state=Export.State.READY
        )
        if not ready.exists():
            _shred(asked)


def shred_strays() -> int:
    """Delete files older than any that is handed out, as of an export whose row a restore undid."""
    oldest = (clock.now() - KEPT - timedelta(days=1)).timestamp()
    strays = [
        path
        for path in Path(settings.EXPORT_DIR).glob("*.*")
        if path.suffix in (".zip", ".tail") and path.stat().st_mtime < oldest
    ]
    for path in strays:
        _overwrite(path)
    return len(strays)


def _end(export: Export) -> bool:
    _shred(export)
    return bool(
        Export.objects.filter(account_id=export.account_id, pk=export.pk)
        .exclude(state=Export.State.EXPIRED)
        .update(state=Export.State.EXPIRED, cursor={})
    )


def _shred(export: Export) -> None:
    for path in (path_of(export), path_of(export).with_suffix(".tail")):
        if path.exists():
            _overwrite(path)


def _overwrite(path: Path) -> None:
    """Overwrite a file before it is unlinked, for disks on which that means something."""
    with path.open("r+b") as file:
        left = path.stat().st_size
        while left > 0:
            left -= file.write(secrets.token_bytes(min(left, 1 << 20)))
    path.unlink(missing_ok=True)
