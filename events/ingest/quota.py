"""Where an account stops: the events' side of what a plan includes.

A month is a calendar month in UTC, and a call belongs to the month of its `created_at`. What is
used is kept by folding (`events_month`) and completed by what is not folded yet, so it is exact at
every moment. An account with a row in `events_allowance` stops there; whoever sells plans writes
it. The statement of ingest itself looks: `insert_events.sql`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import connection

from events.ingest.identity import id_month
from events.ingest.wire import Call
from llmcost.errors import AppError
from llmcost.tenancy.context import tenant

# Work of `llmcost.tenancy.due`: calls were folded, so somebody may want to look at the month.
COUNTED = "month_counted"

# Rollups and what is not folded yet, in one snapshot.
_CALLS = """
SELECT coalesce((SELECT calls FROM events_month
                 WHERE account_id = %(account)s AND month = %(start)s), 0)
     + coalesce((SELECT sum(calls) FROM events_delta
                 WHERE account_id = %(account)s AND bucket >= %(start)s AND bucket < %(end)s), 0)
"""


class QuotaExceeded(AppError):
    """The whole request is refused: its month is full and the account wants to stop there."""

    code, status = "quota_exceeded", 402

    def __init__(self, *, used: int, included: int, month: datetime) -> None:
        resets = next_month(month)
        super().__init__(
            f"{used:,} of {included:,} calls of {month:%B %Y} are used, and this account stops"
            f" there. It takes calls again on {resets:%Y-%m-%d} (UTC), or at once with a larger"
            " plan or by paying for more: see Billing. Nothing of this request was stored."
        )
        self.details = {"used": used, "included": included, "resets_at": resets.isoformat()}


def stop_at(account_id: int, calls: int | None) -> None:
    """Have the account stop at so many calls a month; None: it never does."""
    with tenant(account_id), connection.cursor() as cursor:
        if calls is None:
            cursor.execute("DELETE FROM events_allowance WHERE account_id = %s", [account_id])
            return
        cursor.execute(
            "INSERT INTO events_allowance AS kept (account_id, calls) VALUES (%s, %s)"
            " ON CONFLICT (account_id) DO UPDATE SET calls = excluded.calls"
            " WHERE kept.calls <> excluded.calls",
            [account_id, calls],
        )


def calls_of_month(account_id: int, month: datetime) -> int:
    """Count an account's calls of the month that begins then, inside its context."""
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, {"account": account_id, "start": month, "end": next_month(month)})
        return int(cursor.fetchone()[0])


def refuse_if_full(account_id: int, events: Sequence[Call]) -> None:
    """Raise QuotaExceeded if nothing of a request was stored because a month of it is full.

    Asked only when nothing was new: a repeat of what is stored is a repeat, also in a full month.
    """
    with tenant(account_id), connection.cursor() as cursor:
        cursor.execute("SELECT calls FROM events_allowance WHERE account_id = %s", [account_id])
        row = cursor.fetchone()
        if row is None or _are_stored(account_id, events):
            return
        for month in sorted({month_of(event.created_at) for event in events}):
            used = calls_of_month(account_id, month)
            if used >= row[0]:
                raise QuotaExceeded(used=used, included=row[0], month=month)


def _are_stored(account_id: int, events: Sequence[Call]) -> bool:
    ids = {event.event_id for event in events}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM events_event WHERE account_id = %s"
            " AND (id_month, event_id) IN (SELECT * FROM unnest(%s::smallint[], %s::uuid[]))",
            [account_id, [id_month(one) for one in ids], list(ids)],
        )
        return bool(cursor.fetchone()[0] == len(ids))


def month_of(at: datetime) -> datetime:
    """Return the first moment of the month of `at`, in UTC."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(month: datetime) -> datetime:
    """Return the first moment of the month after the one that begins then."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
