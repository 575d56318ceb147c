"""Everything that the overview page says, as numbers: one question, two statements.

The first statement answers all panels at one moment, so that figures, bars and rows add up to the
same sums; the second looks up what the rows of the tables were in the period before.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.dateparse import parse_date

from events.reports import run, spans
from events.reports.colours import COLOURS, colours
from events.reports.parse import filters_from, midnight, moment_from, timezone_from
from events.reports.query import UsageQuery
from events.reports.run import UsageRow
from events.reports.spans import DAY, WEEK, Span
from llmcost import clock
from llmcost.errors import InvalidParameter
from projects.models import Project

RANGES = ("24h", "7d", "30d", "custom")
DEFAULT_RANGE = "30d"
TABLES = ("model", "feature", "user_id", "prompt_version")
ROWS = 6  # of a table, and so many models get a colour of their own in the chart
NOTHING = Decimal(0)
# A span needs some length, also in the very moment that a day begins.
AN_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewQuery:
    """What the page asks; all of it stands in the URL."""

    account_id: int
    project_id: int
    range: str
    span: Span
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def usage(self, start: datetime, end: datetime, **more: Any) -> UsageQuery:
        """Return a question about this project with this page's filters."""
        return UsageQuery(
            account_id=self.account_id,
            project_id=self.project_id,
            start=start,
            end=end,
            timezone=self.span.timezone,
            **{"filters": self.filters, **more},
        )

    @property
    def today(self) -> datetime:
        """The beginning of this day in the project's zone."""
        return midnight(self.span.now.astimezone(self.span.timezone).date(), self.span.timezone)

    def url(self, **changes: str) -> str:
        """Return the query string of this page with another range, from or to."""
        pairs = {"range": self.range, **changes}
        if pairs["range"] == "custom":
            zone = self.span.timezone
            pairs = {"from": _written(self.span.start, zone), "to": _written(self.span.end, zone)}
            pairs = {"range": "custom", **pairs, **changes}
        chosen = [(f"filter.{name}", one) for name, all_ in self.filters.items() for one in all_]
        return "?" + urlencode([*pairs.items(), *chosen])

    def url_with(self, name: str, value: str) -> str:
        """Return the query string with one filter more."""
        values = (*(one for one in self.filters.get(name, ()) if one != value), value)
        return replace(self, filters={**self.filters, name: values}).url()

    def url_without(self, name: str, value: str) -> str:
        """Return the query string with one filter less."""
        values = tuple(one for one in self.filters[name] if one != value)
        rest = {other: kept for other, kept in self.filters.items() if other != name}
        return replace(self, filters={**rest, name: values} if values else rest).url()


def query_from_params(params: QueryDict, project: Project) -> OverviewQuery:
    """Read the page's URL. Raises InvalidParameter, naming what is wrong with it.

    `from` is inclusive and `to` exclusive, as in the API; what is not about the question (the
    mark of a live page, say) is looked over.
    """
    zone = timezone_from(project.timezone)
    now = clock.now()
    chosen = params.get("range") or DEFAULT_RANGE
    if chosen == "24h":
        span = spans.last_hours(now, zone)
    elif chosen in ("7d", "30d"):
        span = spans.last_days(int(chosen[:-1]), now, zone)
    elif chosen == "custom":
        today = now.astimezone(zone).date()
        end = moment_from(params.get("to"), zone, "to") or midnight(today + DAY, zone)
        start = moment_from(params.get("from"), zone, "from") or end - 30 * DAY
        if end <= start:
            raise InvalidParameter("`to` must be later than `from`.")
        span = spans.from_to(start, end, now, zone)
    else:
        raise InvalidParameter(f"`range` must be one of {', '.join(RANGES)}.")
    return OverviewQuery(
        account_id=project.account_id,
        project_id=project.pk,
        range=chosen,
        span=span,
        filters=filters_from(params),
    )


def params_from_form(params: QueryDict) -> str | None:
    """Return the query string that the form for a custom span stands for; None if it was not sent.

    People name the last day that they mean, the API the first that it does not.
    """
    if not {"first", "last"} & set(params):
        return None
    try:
        days = sorted(
            filter(None, (parse_date(params.get(name, "")) for name in ("first", "last")))
        )
        span = {"from": days[0], "to": days[-1] + DAY} if days else {}
    except (ValueError, OverflowError):
        raise InvalidParameter("`first` and `last` must be dates.") from None
    kept = [(key, one) for key, all_ in params.lists() for one in all_ if key.startswith("filter.")]
    return "?" + urlencode([("range", "custom"), *span.items(), *kept])


@dataclass(frozen=True, slots=True)
class Sums:
    """What some calls add up to."""

    cost: Decimal = NOTHING
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def cost_per_priced_call(self) -> Decimal | None:
        """The mean of the calls whose price is known; None where there is none."""
        priced = self.calls - self.unpriced
        return self.cost / priced if priced else None

    @property
    def is_unpriced(self) -> bool:
        """Whether there are calls, and no price is known for any: their cost is not nothing."""
        return bool(self.calls) and self.calls == self.unpriced

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, name) - getattr(other, name) for name in self.__slots__))


def total(rows: Iterable[UsageRow]) -> Sums:
    """Add up rows of an answer."""
    rows = list(rows)
    return Sums(
        cost=sum((row.cost_usd for row in rows), NOTHING),
        calls=sum(row.calls for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        unpriced=sum(row.unpriced_calls for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """What is, what was in the span before, and which span that is."""

    now: Sums
    before: Sums
    before_start: datetime
    before_end: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; `name` is empty where the calls have none."""

    name: str
    now: Sums
    before: Sums
    share: float
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The dearest names of a dimension, and all others as one sum (None if there are none)."""

    dimension: str
    rows: list[Row]
    others: Row | None


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of the chart: a model's cost in each bar; without name all other models'."""

    name: str
    colour: int
    costs: list[Decimal]
    priced: list[int]  # calls whose price is known


@dataclass(frozen=True, slots=True)
class Overview:
    """The page's content."""

    spend: Compared
    today: Compared
    month: Compared
    series: list[Series]
    before: list[Decimal]
    tables: list[Table]


def overview(query: OverviewQuery) -> Overview:
    """Answer everything that the page shows; inside `tenant()`."""
    span, today = query.span, query.today
    month = today.replace(day=1)
    tomorrow = midnight(today.date() + DAY, span.timezone)
    now = span.now.astimezone(span.timezone)
    before_today = _wall(today - WEEK), _wall(max(now, today + AN_INSTANT) - WEEK)
    before_month = _same_span_of_last_month(now, span.timezone)
    whole = {"start": span.start, "end": span.end}
    bars, bars_before, days, before_day, before_days, usual, *tops = run.usage_together(
        [
            query.usage(**whole, interval=span.interval, group_by=("model",)),
            query.usage(*span.before, interval=span.interval_before, group_by=("model",)),
            query.usage(month, tomorrow, interval="day"),
            query.usage(*before_today),
            query.usage(*before_month),
            # Whatever is shown, so that neither a filter nor a range changes a colour.
            query.usage(today - 29 * DAY, tomorrow, group_by=("model",), filters={}, limit=COLOURS),
            *(query.usage(**whole, group_by=(name,), limit=ROWS + 1) for name in TABLES[1:]),
        ]
    )
    spend = Compared(total(bars), total(bars_before), *span.before)
    models = _by_name(bars, "model")
    dearest = sorted(models, key=lambda name: (-models[name].cost, -models[name].calls, name))
    palette = colours(list(_by_name(usual, "model")), dearest[:ROWS])
    # Each from the dearest; the first has seven names too, so that all have "others" or none has.
    sums = {"model": {name: models[name] for name in dearest[: ROWS + 1]}}
    sums |= {name: _by_name(rows, name) for name, rows in zip(TABLES[1:], tops, strict=True)}
    before = _before(query, sums) | {"model": _by_name(bars_before, "model")}
    return Overview(
        spend=spend,
        today=Compared(
            total(row for row in days if _start(row) >= today), total(before_day), *before_today
        ),
        month=Compared(total(days), total(before_days), *before_month),
        series=_series(bars, span, dearest[:ROWS], palette),
        before=_costs(bars_before, span.place_before, len(span.starts)),
        tables=[_table(name, sums[name], before[name], spend, palette) for name in TABLES],
    )


def fingerprint(query: OverviewQuery) -> str:
    """Return a mark that differs as soon as the page would show something else.

    It changes with every event on the page, and with the minute, because "until now" moves.
    """
    span = query.span
    now = span.now.astimezone(span.timezone)
    last_month = _same_span_of_last_month(now, span.timezone)[0]
    widest = query.usage(
        min(span.before[0], last_month),
        max(span.end, midnight(query.today.date() + DAY, span.timezone)),
    )
    minute = span.now.replace(second=0, microsecond=0)
    return sha256(repr([query.url(), minute, run.usage(widest)]).encode()).hexdigest()[:16]


def _before(query: OverviewQuery, sums: dict[str, dict[str, Sums]]) -> dict[str, dict[str, Sums]]:
    """Look up what the rows of the tables were in the span before."""
    asked = {name: tuple(sums[name]) for name in TABLES[1:] if sums[name]}
    if not asked:
        return {name: {} for name in TABLES}
    answers = run.usage_together(
        [
            query.usage(
                *query.span.before,
                group_by=(name,),
                filters={**query.filters, name: values},
            )
            for name, values in asked.items()
        ]
    )
    return {name: _by_name(rows, name) for name, rows in zip(asked, answers, strict=True)}


def _by_name(rows: Iterable[UsageRow], dimension: str) -> dict[str, Sums]:
    grouped: dict[str, list[UsageRow]] = {}
    for row in rows:
        grouped.setdefault(row.group[dimension] or "", []).append(row)
    return {name: total(own) for name, own in grouped.items()}


def _table(
    dimension: str,
    sums: dict[str, Sums],
    before: dict[str, Sums],
    spend: Compared,
    palette: dict[str, int],
) -> Table:
    def row(name: str, now: Sums, then: Sums) -> Row:
        share = float(now.cost / spend.now.cost) if spend.now.cost else 0.0
        colour = palette.get(name, 0) if dimension == "model" else None
        return Row(name, now, then, share, colour)

    shown = [row(name, sums[name], before.get(name, Sums())) for name in list(sums)[:ROWS]]
    if len(sums) <= ROWS:
        return Table(dimension, shown, None)
    rest, rest_before = spend.now, spend.before
    for one in shown:
        rest, rest_before = rest - one.now, rest_before - one.before
    return Table(dimension, shown, row("", rest, rest_before))


def _series(
    rows: list[UsageRow], span: Span, dearest: list[str], palette: dict[str, int]
) -> list[Series]:
    """Return the bars' parts: the dearest models, then all others together in grey."""
    parts = []
    for name in [*dearest, ""]:
        own = [
            row
            for row in rows
            if (row.group["model"] == name if name else row.group["model"] not in dearest)
        ]
        if not any(row.cost_usd for row in own):
            continue  # free or unpriced: there is nothing to draw
        priced = [0] * len(span.starts)
        for row in own:
            priced[span.place(_start(row))] += row.calls - row.unpriced_calls
        costs = _costs(own, span.place, len(span.starts))
        parts.append(Series(name, palette.get(name, 0), costs, priced))
    return parts


def _costs(rows: list[UsageRow], place: Callable[[datetime], int], count: int) -> list[Decimal]:
    costs = [NOTHING] * count
    for row in rows:
        costs[place(_start(row))] += row.cost_usd
    return costs


def _start(row: UsageRow) -> datetime:
    if row.start is None:
        raise ValueError("The question had no interval.")
    return row.start


def _same_span_of_last_month(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return last month up to the same day and time; all of it where it is shorter."""
    this = midnight(now.date().replace(day=1), zone)
    last = midnight((this.date() - DAY).replace(day=1), zone)
    elapsed = max(now.replace(tzinfo=None) - this.replace(tzinfo=None), AN_INSTANT)
    return last, min(_wall(last + elapsed), this)


def _wall(at: datetime) -> datetime:
    """Return a time on the wall as one that exists (clocks may have skipped it)."""
    return at.astimezone(UTC).astimezone(at.tzinfo)


def _written(at: datetime, zone: ZoneInfo) -> str:
    """Write a moment the way it stands in a URL: as a day where it is the beginning of one."""
    local = at.astimezone(zone)
    return local.date().isoformat() if spans.is_midnight(local, zone) else local.isoformat()
