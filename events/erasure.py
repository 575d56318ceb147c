"""Taking calls out of an account, or their end user out of them, with every sum staying exact.

Each batch is one statement that deletes (or renames) events and writes what that takes from the
sums, so that a report at any instant equals the events that are left. Batches are bounded, each
its own transaction: ingest goes on meanwhile, and a killed erasure goes on where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from events.reports.query import UsageQuery
from events.reports.run import usage
from events.rollups.fold import fold
from events.sql import statement
from llmcost.tenancy.context import tenant

BATCH = 5_000
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
    """Cut a selection into parts that an index finds quickly: a user's days, else all at once."""
    if selection.user_id is None:
        yield selection
        return
    with tenant(selection.account_id), connection.cursor() as cursor:
        cursor.execute(statement("user_days"), selection.params)
        days = sorted(day for (day,) in cursor.fetchall())
    for day in days:
        yield replace(selection, start=day, end=day + timedelta(days=1))


def erase_batch(selection: Selection, limit: int = BATCH) -> int:
    """Delete up to `limit` calls, also from the sums; return how many. Inside `tenant()`."""
    with connection.cursor() as cursor:
        cursor.execute(statement("erase_events"), selection.params | {"limit": limit})
        return cursor.fetchone()[0]


def anonymise_batch(selection: Selection, stand_in: str, limit: int = BATCH) -> int:
    """Give up to `limit` of a user's calls another user id; return how many. Inside `tenant()`."""
    with connection.cursor() as cursor:
        cursor.execute(
            statement("anonymise_events"),
            selection.params | {"limit": limit, "stand_in": stand_in},
        )
        return cursor.fetchone()[0]


def settle(selection: Selection) -> int:
    """Fold what is pending and drop the rows of sums that came to nothing; return how many."""
    while fold(selection.account_id):
        pass
    with tenant(selection.account_id), connection.cursor() as cursor:
        cursor.execute(statement("drop_empty_sums"), selection.params)
        return cursor.fetchone()[0]


def left(selection: Selection) -> dict[str, int]:
    """Count what is still there, by table: nothing, once a selection is erased and settled.

    The events themselves are looked through, not an index of users; for an end user the sums are
    compared with the calls that came meanwhile.
    """
    found = 0
    for window in _weeks(selection):
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


def _weeks(selection: Selection) -> Iterator[Selection]:
    """Cut the time in which a project has calls into weeks, each quickly looked through."""
    with tenant(selection.account_id), connection.cursor() as cursor:
        cursor.execute(statement("time_range"), selection.params)
        first, last = cursor.fetchone()
    while first is not None and first <= last:
        until = min(first + timedelta(days=7), selection.end)
        yield replace(selection, start=first, end=until)
        first = until
