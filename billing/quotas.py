"""What an account has used of what its plan includes, exact at every moment.

A month is a calendar month in UTC, and a call belongs to the month of its `created_at`: the number
here is the one that `/v1/usage` and the dashboard give for that month, from the same rollups.
"""

from dataclasses import dataclass
from datetime import datetime

from billing.plans import Plan
from events.ingest import quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used in one month."""

    start: datetime
    end: datetime
    used: int
    included: int | None

    @property
    def per_cent(self) -> int:
        """How much of the included events is used, rounded down; 0 without a limit."""
        return self.used * 100 // self.included if self.included else 0

    @property
    def beyond(self) -> int:
        """How many events are beyond the included ones."""
        return 0 if self.included is None else max(0, self.used - self.included)


def usage_of(account_id: int, plan: Plan, at: datetime) -> Usage:
    """Return what the account has used in the month of `at`, inside its context."""
    start, end = month_of(at)
    used = quota.calls_of_month(account_id, start)
    return Usage(start=start, end=end, used=used, included=plan.events)


def month_of(at: datetime) -> tuple[datetime, datetime]:
    """Return the first moment of the month of `at`, and of the next one."""
    start = quota.month_of(at)
    return start, quota.next_month(start)
