"""From a URL's parameters to a question; what does not fit is said by name, never repeated."""

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from events.ingest.validate import AHEAD
from events.reports.query import DIMENSIONS, UsageQuery
from llmcost import clock
from llmcost.errors import InvalidParameter
from projects.models import Project

KNOWN = {"from", "to", "interval", "group_by", "tz", "format"} | {
    f"filter.{name}" for name in DIMENSIONS
}
MAX_FILTER_VALUES = 50
YEARS = range(2015, 2101)


def query_from_params(params: QueryDict, project: Project) -> UsageQuery:
    """Read `GET /v1/usage`'s parameters. Raises InvalidParameter, naming the one that is wrong.

    Left out, `from` is midnight 29 days ago, `to` is as far ahead as an event's time may lie, and
    `tz` is the project's.
    """
    if set(params) - KNOWN:
        raise InvalidParameter(f"Parameters are {', '.join(sorted(KNOWN))}.")
    zone = timezone_from(params.get("tz", project.timezone))
    now = clock.now()
    group_by = [name for part in params.getlist("group_by") for name in part.split(",") if name]
    if len(set(group_by)) != len(group_by):
        raise InvalidParameter("`group_by` names a dimension twice.")
    return UsageQuery(
        account_id=project.account_id,
        project_id=project.pk,
        start=moment_from(params.get("from"), zone, "from")
        or midnight(now.astimezone(zone).date() - timedelta(days=29), zone),
        end=moment_from(params.get("to"), zone, "to") or now + AHEAD,
        timezone=zone,
        interval=params.get("interval") or None,
        group_by=tuple(group_by),
        filters=filters_from(params),
        percentiles=True,
    )


def timezone_from(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises InvalidParameter."""
    if name not in _zones():
        raise InvalidParameter("`tz` must be an IANA time zone, like Europe/Berlin.")
    return ZoneInfo(name)


@cache
def _zones() -> set[str]:
    # Reads hundreds of files: 30 ms, each time.
    return available_timezones()


def filters_from(params: QueryDict) -> dict[str, tuple[str, ...]]:
    """Return `filter.<dimension>` parameters; several values of one mean any of them."""
    filters = {}
    for name in DIMENSIONS:
        values = params.getlist(f"filter.{name}")
        if len(values) > MAX_FILTER_VALUES:
            raise InvalidParameter(f"`filter.{name}` takes at most {MAX_FILTER_VALUES} values.")
        if any("\x00" in value for value in values):
            raise InvalidParameter(f"`filter.{name}` must not contain control characters.")
        if values:
            filters[name] = tuple(values)
    return filters


def moment_from(text: str | None, zone: ZoneInfo, name: str) -> datetime | None:
    """Read RFC 3339 with offset, or a date: that day's beginning in `zone`."""
    if not text:
        return None
    try:
        day = parse_date(text) if len(text) == len("2026-01-01") else None
        # A `+` of the offset that was not escaped in the URL arrives as a space.
        at = parse_datetime(text.replace(" ", "+")) if day is None else None
    except ValueError:
        at = day = None
    if day is not None and day.year in YEARS:
        return midnight(day, zone)
    if at is None or at.tzinfo is None or at.year not in YEARS:
        raise InvalidParameter(
            f"`{name}` must be a date, or RFC 3339 with an offset, from 2015 to 2100."
        )
    return at


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day in a zone (where clocks skip midnight, the next one)."""
    at = datetime.combine(day, time(), zone)
    # 00:00 that does not exist: going through UTC lands on the first moment that does.
    return at.astimezone(ZoneInfo("UTC")).astimezone(zone)
