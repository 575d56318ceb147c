"""What is held of one end user: how many calls, of which models, at what cost, since when."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection

from events.erasure import Selection, windows
from events.reports.query import UsageQuery
from events.reports.run import UsageRow, usage
from events.sql import statement
from llmcost import clock


@dataclass(frozen=True, slots=True)
class EndUser:
    """The sums of one end user; without calls they are zero, and the times are None."""

    models: list[UsageRow]
    first_at: datetime | None
    last_at: datetime | None

    @property
    def calls(self) -> int:
        """How many calls are held."""
        return sum(row.calls for row in self.models)

    @property
    def cost_usd(self) -> Decimal:
        """What they cost, without those that have no price."""
        return sum((row.cost_usd for row in self.models), Decimal())

    @property
    def unpriced_calls(self) -> int:
        """How many of them have no price."""
        return sum(row.unpriced_calls for row in self.models)


def end_user(account_id: int, project_id: int, user_id: str) -> EndUser:
    """Return what is held of an end user of a project, the dearest model first; inside `tenant()`.

    The first and the last call are looked for on the days of the sums only, from both ends.
    """
    models = usage(
        UsageQuery(
            account_id=account_id,
            project_id=project_id,
            start=datetime(2000, 1, 1, tzinfo=UTC),
            end=clock.now() + timedelta(days=2),  # a caller's clock may be a day ahead
            timezone=ZoneInfo("UTC"),
            group_by=("model",),
            filters={"user_id": (user_id,)},
        )
    )
    whole = Selection(
        account_id=account_id, project_id=project_id, received_until=clock.now(), user_id=user_id
    )
    days = list(windows(whole))
    spans = (_span(day) for day in days)
    first_at = next((first for first, _ in spans if first), None)
    spans = (_span(day) for day in reversed(days))
    last_at = next((last for _, last in spans if last), None)
    return EndUser(models, first_at, last_at)


def _span(day: Selection) -> tuple[datetime | None, datetime | None]:
    with connection.cursor() as cursor:
        cursor.execute(statement("user_span"), day.params)
        first, last = cursor.fetchone()
    return first, last
