"""The overview's numbers as they are shown: words, aligned amounts, links."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.safestring import SafeString

from events.reports.charts import Bars, share_bar, stacked_bars
from events.reports.overview import Compared, Overview, OverviewQuery, Row, Series, Sums, Table
from events.reports.spans import Span, dates
from llmcost.web import numbers

TITLES = {
    "model": ("Models", "Model"),
    "feature": ("Features", "Feature"),
    "user_id": ("Users", "User"),
    "prompt_version": ("Prompt versions", "Version"),
    "provider": ("Providers", "Provider"),
}
RANGE_NAMES = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One big number: what it is, its change, and against what."""

    label: str
    value: str
    exact: str
    now: Decimal | int
    before: Decimal | int
    kind: str
    note: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table, ready to be shown; `url` leads to the filtered page."""

    name: str
    is_others: bool
    colour: int | None
    url: str
    sums: Sums
    before: Sums
    cost: str
    bar: SafeString
    percent: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A table."""

    key: str
    title: str
    heading: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the data table, which is also what the chart's tip says."""

    title: str
    before_title: str
    cells: list[tuple[str, str]]  # in the table's column, and below each other in the tip
    total: tuple[str, str]
    before: tuple[str, str]


def page(query: OverviewQuery, shown: Overview) -> dict[str, Any]:
    """Return everything that the template shows."""
    span = query.span
    first = span.start.astimezone(span.timezone)
    last = (span.end - timedelta(microseconds=1)).astimezone(span.timezone)
    has_spend = any(any(part.costs) for part in shown.series)
    return {
        "figures": figures(query, shown),
        "chart": chart(query, shown) if has_spend or any(shown.before) else "",
        "bars": data_table(query, shown),
        "panels": [_panel(query, table) for table in shown.tables],
        "chips": chips(query),
        "ranges": ranges(query),
        "interval": span.interval,
        "span_text": dates(span.start, span.end, span.timezone),
        "before_text": _before_text(span),
        "compared_with": compared_with(query),
        "first_day": first.date().isoformat(),
        "last_day": last.date().isoformat(),
        "as_of": span.now.astimezone(span.timezone),
    }


def figures(query: OverviewQuery, shown: Overview) -> list[Figure]:
    """Return the five figures."""
    spend, zone = shown.spend, query.span.timezone
    now = query.span.now.astimezone(zone)
    # The moment is the same in both; only the day differs.
    until = f"until {now:%H:%M}"
    each = spend.now.cost_per_priced_call
    month = dates(
        shown.month.before_start, _whole_day(shown.month.before_end, zone), zone, year=False
    )
    return [
        _cost("Today so far", shown.today, f"vs last {now:%a} {until}"),
        _cost(f"{now:%B} so far", shown.month, f"vs {month} {until}"),
        _cost(f"Spend, {RANGE_NAMES.get(query.range, 'this span')}", spend,
              f"from {_cost_text(spend.before)}"),
        Figure(
            "Calls", numbers.short(spend.now.calls), f"{spend.now.calls:,}", spend.now.calls,
            spend.before.calls, "", "" if each is None else f"{numbers.money(each)} each",
        ),
        Figure(
            "Tokens", numbers.short(spend.now.tokens), f"{spend.now.tokens:,}", spend.now.tokens,
            spend.before.tokens, "",
            f"{numbers.short(spend.now.input_tokens)} in, "
            f"{numbers.short(spend.now.output_tokens)} out",
        ),
    ]  # fmt: skip


def compared_with(query: OverviewQuery) -> str:
    """Say what changes are measured against, exactly."""
    span = query.span
    text = f"compared with {_before_text(span)}"
    if span.interval == "hour":
        return text
    if span.cut != span.end:
        text += f" until {span.before[1].astimezone(span.timezone):%H:%M}"
    return f"{text}, same weekdays" if not span.shift.days % 7 else text


def chart(query: OverviewQuery, shown: Overview) -> SafeString:
    """Draw spend over time."""
    span = query.span
    return stacked_bars(
        Bars(
            name=f"Spend by {span.interval}, stacked by model; "
            "the numbers are in the data table below",
            labels=[_label(span, start) for start in span.starts],
            titles=[
                f"{title}: {numbers.money(sum(values, Decimal(0)))}"
                for title, values in zip(
                    (_title(span, place) for place in range(len(span.starts))),
                    _across(shown.series, len(span.starts)),
                    strict=True,
                )
            ],
            parts=[(part.colour, part.costs) for part in shown.series],
            before=shown.before,
            anchor=_anchor(span),
            running=span.running,
        )
    )


def data_table(query: OverviewQuery, shown: Overview) -> list[Bar]:
    """Return the chart's numbers, one row a bar."""
    span = query.span
    count = len(span.starts)
    # A price that nobody knows is a dash, never nothing.
    columns: list[list[Decimal | None]] = [
        [cost if priced else None for cost, priced in zip(part.costs, part.priced, strict=True)]
        for part in shown.series
    ]
    totals = [sum(values, Decimal(0)) for values in _across(shown.series, count)]
    texts = [*map(numbers.column, columns), numbers.column(totals), numbers.column(shown.before)]
    rows = []
    for place in range(count):
        values = [column[place] for column in columns]
        tip = numbers.column([*values, totals[place], shown.before[place]])
        pairs = list(zip((text[place] for text in texts), tip, strict=True))
        rows.append(
            Bar(
                title=_title(span, place),
                before_title=_moment(span, span.start_before(place)),
                cells=pairs[:-2],
                total=pairs[-2],
                before=pairs[-1],
            )
        )
    return rows


def chips(query: OverviewQuery) -> list[dict[str, Any]]:
    """Return the filters that are on, each with the way to take it off."""
    return [
        {
            "label": TITLES[name][1],
            "value": value,
            "url": query.url_without(name, value),
        }
        for name, values in query.filters.items()
        for value in values
    ]


def ranges(query: OverviewQuery) -> list[tuple[str, str, str, bool]]:
    """Return key, text, URL and whether it is the current one, for every choice of span."""
    labels = {"24h": "24 h", "7d": "7 d", "30d": "30 d", "custom": "Custom"}
    return [(key, label, query.url(range=key), key == query.range) for key, label in labels.items()]


# --- Words -----------------------------------------------------------------------------------
def _cost(label: str, compared: Compared, note: str) -> Figure:
    now, before = compared.now, compared.before
    exact = "" if now.is_unpriced else numbers.money(now.cost, exact=True)
    return Figure(label, _cost_text(now), exact, now.cost, before.cost, "cost", note)


def _cost_text(sums: Sums) -> str:
    """Write a cost; that of calls without any known price is not zero, it is unknown."""
    return "unpriced" if sums.is_unpriced else numbers.money(sums.cost)


def _before_text(span: Span) -> str:
    start, end = span.before
    if span.interval != "hour":
        end = _whole_day(end, span.timezone)
    return dates(start, end, span.timezone, year=False)


def _panel(query: OverviewQuery, table: Table) -> Panel:
    rows = [*table.rows, *([table.others] if table.others else [])]
    costs = numbers.column([None if row.now.is_unpriced else row.now.cost for row in rows])
    title, heading = TITLES[table.dimension]
    lines = [
        Line(
            name=row.name,
            is_others=row is table.others,
            colour=row.colour,
            url="" if row is table.others else query.url_with(table.dimension, row.name),
            sums=row.now,
            before=row.before,
            cost=cost,
            bar=share_bar(row.share, row.colour),
            percent=_percent(row),
        )
        for row, cost in zip(rows, costs, strict=True)
    ]
    return Panel(table.dimension, title, heading, lines)


def _percent(row: Row) -> str:
    if row.now.is_unpriced:
        return numbers.NOTHING
    if 0 < row.share < 0.0005:
        return f"<0.1{numbers.SPACE}%"
    return f"{row.share * 100:.1f}{numbers.SPACE}%"


def _across(series: list[Series], count: int) -> list[list[Decimal]]:
    return [[part.costs[place] for part in series] for place in range(count)]


def _whole_day(at: datetime, zone: Any) -> datetime:
    """Return the midnight that ends the day of the moment before `at`."""
    day = (at.astimezone(zone) - timedelta(microseconds=1)).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _anchor(span: Span) -> int:
    """Return the bar whose label must stay: midnight among hours, else the newest."""
    if span.interval == "hour":
        return next((n for n, at in enumerate(span.starts) if at.hour == 0), 0)
    return len(span.starts) - 1


def _label(span: Span, at: datetime) -> str:
    if span.interval == "month":
        return f"{at:%b %Y}"
    return f"{at:%H:%M}" if span.interval == "hour" and at.hour else f"{at.day} {at:%b}"


def _title(span: Span, place: int) -> str:
    at, end = span.starts[place], span.ends(place).astimezone(span.timezone)
    match span.interval:
        case "hour":
            title = f"{at:%a} {at.day} {at:%b}, {at:%H:%M}\N{EN DASH}{end:%H:%M}"
        case "day":
            title = f"{at:%A}, {at.day} {at:%B}"
        case "week":
            title = dates(at, end, span.timezone)
        case _:
            title = f"{at:%B %Y}"
    return f"{title}, so far" if place == span.running else title


def _moment(span: Span, at: datetime) -> str:
    if span.interval == "hour":
        return f"{at:%a} {at.day} {at:%b}, {at:%H:%M}"
    return f"{at:%a}, {at.day} {at:%b}"
