"""Taking calls out of an account, or their end user out of them, with every sum staying exact.

Each batch is one statement that deletes (or renames) events and writes what that takes from the
sums, so that a report at any instant equals the events that are left. Batches are bounded, each
its own transaction: ingest goes on meanwhile, and a killed erasure goes on where it stopped.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from events.reports.query import UsageQuery
from events.reports.run import usage
from events.rollups.fold import CALLS_AT_ONCE, fold
from events.sql import statement
from llmcost.tenancy.context import tenant

BATCH = 5_000
# A day with more calls is dense enough to be taken apart call by call.
WHOLE_DAY = 100_000
DAY = timedelta(days=1)
_EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which calls of a project: of one end user, of a span (`end` exclusive), or all.

    Only what was received up to `received_until` counts: what comes later is not what was meant.
    """

    account_id: int
    project_id: int
    received_until: datetime
    start: datetime = _EVER[0]
    end: datetime = _EVER[1]
    user_id: str | None = None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that every statement here takes."""
        return {
            "account": self.account_id,
            "project": self.project_id,
            "start": self.start,
            "end": self.end,
            "user": self.user_id,
            "until": self.received_until,
        }


def held(selection: Selection) -> int:
    """Return how many calls there are now, exactly; answered from the sums like any report."""
    if "\0" in (selection.user_id or ""):
        return 0  # no text in PostgreSQL holds one, nor can it be asked for
    filters = {"user_id": (selection.user_id,)} if selection.user_id is not None else {}
    with tenant(selection.account_id):
        [row] = usage(
            UsageQuery(
                account_id=selection.account_id,
                project_id=selection.project_id,
                start=selection.start,
                end=selection.end,
                timezone=ZoneInfo("UTC"),
                filters=filters,
            )
        )
    return row.calls


def windows(selection: Selection) -> Iterator[Selection]:
    """Cut a selection into UTC days: those on which the user made calls, else all that have any."""
    if selection.user_id is None:
        yield from _parts(selection, DAY)
        return
    with tenant(selection.account_id), connection.cursor() as cursor:
        cursor.execute(statement("user_days"), selection.params)
        days = sorted(day for (day,) in cursor.fetchall())
    for day in days:
        yield replace(selection, start=day, end=day + DAY)


def in_batches(
    selection: Selection,
    batch: Callable[[Selection], Selection | None],
    goes_on: Callable[[], bool],
) -> bool:
    """Have each window of a selection worked off by `batch`, as long as it `goes_on`.

    `batch` does some of what it is given and returns what is left of it. Says whether all is done.
    """
    for window in windows(selection):
        rest: Selection | None = window
        while rest is not None:
            rest = batch(rest)
            if not goes_on():
                return False
    return True


def erase_batch(selection: Selection, limit: int = BATCH) -> tuple[int, Selection | None]:
    """Delete up to `limit` calls, also from the sums; a whole day at once. Inside `tenant()`.

    Returns how many, and what is left to look through; None when this was the last batch.
    """
    if selection.user_id is None and _is_day(selection):
        with connection.cursor() as cursor:
            # Keeps out who folds and, by their weaker lock below, who erases call by call.
            cursor.execute(
                "SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", [selection.account_id]
            )
            cursor.execute(statement("erase_day"), selection.params | {"most": WHOLE_DAY})
            row = cursor.fetchone()
        if row is not None:
            return row[0], None
    return _batch("erase_events", selection, {"limit": limit})


def _is_day(selection: Selection) -> bool:
    return selection.start == _midnight(selection.start) and selection.end == selection.start + DAY


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def anonymise_batch(
    selection: Selection, stand_in: str, limit: int = BATCH
) -> tuple[int, Selection | None]:
    """Give up to `limit` of a user's calls another user id. Inside `tenant()`.

    Returns how many, and what is left to look through; None when this was the last batch.
    """
    return _batch("anonymise_events", selection, {"limit": limit, "stand_in": stand_in})


def _batch(name: str, selection: Selection, params: dict[str, Any]) -> tuple[int, Selection | None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM accounts_account WHERE id = %s FOR KEY SHARE", [selection.account_id]
        )
        cursor.execute(statement(name), selection.params | params)
        done, goes_on_at = cursor.fetchone()
    # Several calls may have that very time; those that are done are no longer found.
    return done, replace(selection, start=goes_on_at) if goes_on_at else None


def settle(selection: Selection, *, goes_on: Callable[[], bool] = lambda: True) -> bool:
    """Fold what is pending and drop the rows of sums that came to nothing, as long as it `goes_on`.

    Says whether all of it is done.
    """
    # Less than a turn says that all was taken that had been there; calls go on arriving.
    while (fold(selection.account_id, is_patient=True) or 0) >= CALLS_AT_ONCE:
        if not goes_on():
            return False
    # No index names users: what is left of one is looked for once, not on every day.
    parts = _days_of_sums(selection) if selection.user_id is None else [selection]
    for part in parts:
        with tenant(selection.account_id), connection.cursor() as cursor:
            cursor.execute(statement("drop_empty_sums"), part.params)
        if not goes_on():
            return False
    return True


def _days_of_sums(selection: Selection) -> Iterator[Selection]:
    """Cut a selection into the days of its sums, each quickly looked through."""
    with tenant(selection.account_id), connection.cursor() as cursor:
        cursor.execute(statement("days_of_sums"), selection.params)
        day, last = cursor.fetchone()
    while day is not None and day <= last:
        after = day + DAY
        yield replace(selection, start=max(day, selection.start), end=min(after, selection.end))
        day = after


def left(selection: Selection) -> dict[str, int]:
    """Count what is still there, by table: nothing, once a selection is erased and settled.

    The events themselves are looked through, not an index of users; for an end user the sums are
    compared with the calls that came meanwhile.
    """
    found = 0
    for window in _parts(selection, 7 * DAY):
        with tenant(selection.account_id), connection.cursor() as cursor:
            cursor.execute(statement("events_left"), window.params)
            found += cursor.fetchone()[0]
    left_over = {"events_event": found} if found else {}
    if selection.user_id is not None:
        with tenant(selection.account_id), connection.cursor() as cursor:
            cursor.execute(statement("sums_left"), selection.params)
            rows, calls = cursor.fetchone()
        if rows or calls:
            left_over["events_user_day"] = rows + calls
    return left_over


def _parts(selection: Selection, length: timedelta) -> Iterator[Selection]:
    """Cut the time in which a project has calls into parts that begin at midnight, UTC."""
    with tenant(selection.account_id), connection.cursor() as cursor:
        cursor.execute(statement("time_range"), selection.params)
        first, last = cursor.fetchone()
    if first is None:
        return
    start = _midnight(first)
    while start <= last:
        end = start + length
        yield replace(selection, start=max(start, selection.start), end=min(end, selection.end))
        start = end
