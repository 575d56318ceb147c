"""What a report asks. The dashboard, the API and the CSV export all build one of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from llmcost.errors import InvalidParameter

DIMENSIONS = ("model", "provider", "feature", "user_id", "prompt_version")
INTERVALS = ("hour", "day", "week", "month")
# An hourly question over ten years is a mistake, and its answer would be no use to anybody.
MAX_BUCKETS = {"hour": 24 * 400, "day": 366 * 12, "week": 53 * 12, "month": 12 * 12}
_SECONDS = {"hour": 3_600, "day": 86_400, "week": 604_800, "month": 2_419_200}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """A question about one project's calls, always valid.

    `start` is inclusive, `end` exclusive, both aware. Without `interval` there is one row for each
    group, without `group_by` one row for each interval. A filter's value '' means: not set.
    `limit` keeps the dearest groups (only without `interval`).
    """

    account_id: int
    project_id: int
    start: datetime
    end: datetime
    timezone: ZoneInfo
    interval: str | None = None
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    percentiles: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise InvalidParameter("`to` must be later than `from`.")
        if self.interval is not None and self.interval not in INTERVALS:
            raise InvalidParameter(f"`interval` must be one of {', '.join(INTERVALS)}.")
        for name in self.group_by:
            if name not in DIMENSIONS:
                raise InvalidParameter(f"`group_by` takes {', '.join(DIMENSIONS)}.")
        for name in self.filters:
            if name not in DIMENSIONS:
                raise InvalidParameter(f"`filter.` takes {', '.join(DIMENSIONS)}.")
        if self.interval is not None:
            seconds = (self.end - self.start).total_seconds()
            if seconds / _SECONDS[self.interval] > MAX_BUCKETS[self.interval]:
                raise InvalidParameter("The span is too long for this `interval`.")

    @property
    def asks_for_users(self) -> bool:
        """Whether the answer needs the rollup that knows end users."""
        return "user_id" in self.group_by or "user_id" in self.filters
