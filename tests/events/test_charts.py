"""The arithmetic of the chart: sums, edges, labels, colours, and bars over changes of the clocks."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.reports import spans
from events.reports.charts import (
    CHARACTER,
    GAP,
    HEIGHT,
    NARROW,
    PLOT,
    TOP,
    WIDE,
    Bars,
    axis_label,
    every,
    scale,
    share_bar,
    stack,
    stacked_bars,
)
from events.reports.colours import COLOURS, colours
from tests.strategies import ZONES

COSTS = st.one_of(
    st.just(Decimal(0)),
    st.decimals(min_value=Decimal("1e-10"), max_value=Decimal("1e9"), places=10, allow_nan=False),
)


@st.composite
def bars(draw):
    count = draw(st.integers(1, 33))
    series = draw(st.integers(0, 4))
    values = st.lists(COSTS, min_size=count, max_size=count)
    return Bars(
        name="Spend by day",
        labels=[f"{place % 28 + 1} Nov" for place in range(count)],
        titles=[f"Day {place} & <more>" for place in range(count)],
        parts=[(number + 1, draw(values)) for number in range(series)],
        before=draw(values),
        anchor=count - 1,
        running=draw(st.one_of(st.none(), st.just(count - 1))),
    )


def parts_of(column):
    """The drawn parts of a bar, from the bottom."""
    return [rect for rect in column.findall("rect") if (rect.get("class") or "").startswith("bar")]


def numbers_of(node, *names):
    return [float(node.get(name).rstrip("%")) for name in names]


@given(bars())
def test_everything_that_is_drawn_stands_inside(chart):
    root = ET.fromstring(stacked_bars(chart))
    drawing = root.findall("svg")[1]

    for rect in drawing.iter("rect"):
        x, y, width, height = numbers_of(rect, "x", "y", "width", "height")
        assert 0 <= x <= x + width <= 100.1
        assert TOP <= y <= y + height <= TOP + PLOT + 0.1
    for text in root.iter("text"):
        assert 0 < float(text.get("y")) <= HEIGHT
    for line in drawing.iter("line"):
        assert TOP - 0.01 <= float(line.get("y1")) <= TOP + PLOT + 0.01
    for path in drawing.iter("path"):
        if path.get("class") == "previous":
            points = [float(number) for number in re.findall(r"[\d.]+", path.get("d"))]
            assert all(0 <= x <= 100 for x in points[::2])
            assert all(-0.01 <= y <= PLOT + 0.01 for y in points[1::2])


@given(bars())
def test_every_bar_has_a_title_and_every_amount_a_part(chart):
    drawing = ET.fromstring(stacked_bars(chart)).findall("svg")[1]
    columns = drawing.findall("g")

    assert [column.find("title").text for column in columns] == list(chart.titles)
    for place, column in enumerate(columns):
        assert [rect.get("class") for rect in parts_of(column)] == [
            f"bar s{colour}" for colour, values in chart.parts if values[place] > 0
        ]
        assert all(float(rect.get("height")) > 0 for rect in parts_of(column))


def test_a_part_is_drawn_as_high_as_it_is_dear():
    chart = Bars(
        name="Spend", labels=["a", "b"], titles=["a", "b"],
        parts=[(1, [Decimal(40), Decimal(10)]), (2, [Decimal(0), Decimal(20)])],
        before=[Decimal(0)] * 2, anchor=1,
    )  # fmt: skip

    first, second = ET.fromstring(stacked_bars(chart)).findall("svg")[1].findall("g")

    bottom = TOP + PLOT
    edges = [
        [(float(rect.get("y")), float(rect.get("y")) + float(rect.get("height"))) for rect in found]
        for found in (parts_of(first), parts_of(second))
    ]
    # The scale ends at $40; a part ends a gap below the next one's beginning.
    assert edges[0] == [(TOP, pytest.approx(bottom, abs=GAP))]
    assert edges[1] == [
        (pytest.approx(bottom - PLOT / 4, abs=GAP), pytest.approx(bottom, abs=GAP)),
        (
            pytest.approx(bottom - PLOT * 3 / 4, abs=GAP),
            pytest.approx(bottom - PLOT / 4, abs=GAP),
        ),
    ]


@given(bars())
def test_only_what_is_there_is_drawn_beside_the_bars(chart):
    drawn = stacked_bars(chart)

    assert ("url(#hatch)" in drawn) == (chart.running is not None and bool(chart.parts))
    assert ('class="previous"' in drawn) == any(chart.before)


@given(bars())
def test_the_label_of_the_anchor_is_always_shown(chart):
    shown = ET.fromstring(stacked_bars(chart)).findall("svg")[1].findall("text")

    assert shown[-1].text == chart.labels[chart.anchor]
    assert shown[-1].get("class") is None, "hidden on a narrow screen"


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        ("0", "1", "$0"),
        ("0.0025", "0.0025", "$0.0025"),
        ("0.5", "0.5", "$0.50"),
        ("40", "10", "$40"),
        ("7.50", "2.5", "$7.50"),
        ("12500", "2500", "$12.5\N{NO-BREAK SPACE}k"),
    ],
)
def test_the_axis_is_labelled_with_no_more_places_than_it_needs(value, step, text):
    assert axis_label(Decimal(value), Decimal(step)) == text


@given(st.lists(COSTS, min_size=1, max_size=9))
def test_the_parts_of_a_bar_add_up_to_its_height(values):
    top = scale(sum(values, Decimal(0)))[-1]
    edges = stack(values, top)

    assert edges[0][1] == pytest.approx(TOP + PLOT)
    assert all(above[1] == pytest.approx(below[0]) for below, above in pairwise(edges))
    whole = float(sum(values, Decimal(0)) / top) * PLOT
    assert sum(lower - upper for upper, lower in edges) == pytest.approx(whole, abs=1e-6)


@given(COSTS)
def test_the_scale_reaches_the_highest_bar_in_a_few_even_steps(highest):
    ticks = scale(highest)
    labels = [axis_label(tick, ticks[1]) for tick in ticks]

    assert ticks[0] == 0
    assert ticks[-1] >= highest
    assert 3 <= len(ticks) <= 6
    assert len({after - before for before, after in pairwise(ticks)}) == 1
    assert len(set(labels)) == len(labels), "two lines would have the same label"
    assert labels[0] == "$0"
    assert not any(re.fullmatch(r"\$0\.0*", label) for label in labels[1:])


@given(st.integers(1, 400), st.integers(4, 9))
def test_labels_never_touch(count, length):
    labels = ["x" * length] * count
    wide = every(labels, WIDE)
    narrow = every(labels, NARROW, multiple_of=wide)

    assert narrow % wide == 0
    for step, width in ((wide, WIDE), (narrow, NARROW)):
        if step < count:
            assert step * width / count >= length * CHARACTER


def test_a_share_is_a_bar_of_that_width():
    assert 'width="47.1"' in share_bar(0.471, 3)
    assert 'class="share s3"' in share_bar(0.471, 3)
    assert 'width="0.6"' in share_bar(0.00001), "something is never nothing"
    assert 'width="0.0"' in share_bar(0)


# --- Colours ---------------------------------------------------------------------------------
MODELS = st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8)


@given(MODELS, MODELS.map(lambda names: names[:6]))
def test_shown_models_have_different_colours_whatever_their_order(usual, shown):
    found = colours(usual, shown)

    assert colours(usual[::-1], shown[::-1]) == found
    assert len({found[name] for name in shown}) == len(shown)
    assert all(1 <= colour <= COLOURS for colour in found.values())


@given(MODELS, st.data())
def test_a_filter_changes_no_colour(usual, data):
    fewer = data.draw(st.lists(st.sampled_from(usual), max_size=6)) if usual else []

    assert {name: colours(usual, fewer)[name] for name in usual} == colours(usual, usual)


# --- Spans -----------------------------------------------------------------------------------
NOW = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(
    lambda at: at.replace(tzinfo=UTC)
)


@given(NOW, ZONES, st.sampled_from(["24h", "7d", "30d"]))
def test_bars_cover_the_span_without_gap_or_overlap(now, zone, chosen):
    zone = spans.ZoneInfo(zone)
    span = (
        spans.last_hours(now, zone)
        if chosen == "24h"
        else spans.last_days(int(chosen[:-1]), now, zone)
    )
    starts = [start.astimezone(UTC) for start in span.starts]

    assert starts[0] == span.start <= now < span.end
    assert all(before < after for before, after in pairwise(starts))
    assert starts[-1] < span.end
    assert span.running == len(starts) - 1
    for place, start in enumerate(starts):
        assert span.place(start) == place
        assert span.place(span.ends(place) - timedelta(microseconds=1)) == place


@given(NOW, ZONES, st.sampled_from([7, 30]))
def test_days_are_compared_with_days_of_the_same_weekday(now, zone, count):
    span = spans.last_days(count, now, spans.ZoneInfo(zone))
    start, end = span.before

    assert start < end <= span.start
    for place in range(len(span.starts)):
        assert f"{span.start_before(place):%a}" == f"{span.starts[place]:%a}"
        assert span.place_before(span.start_before(place)) == place


@given(NOW, NOW, NOW, ZONES)
def test_any_span_is_cut_into_bars_that_can_be_told_apart(one, other, now, zone):
    start, end = min(one, other), max(one, other) + timedelta(hours=1)
    span = spans.from_to(start, end, now, spans.ZoneInfo(zone))

    assert 1 <= len(span.starts) <= 125
    assert span.before[0] < span.before[1]
    assert span.place(start) == 0
    assert 0 <= span.place_before(span.before[0]) < len(span.starts)


def test_the_hour_that_a_clock_repeats_is_two_bars():
    span = spans.last_hours(
        datetime(2025, 10, 26, 5, 30, tzinfo=UTC), spans.ZoneInfo("Europe/Berlin")
    )

    assert len(span.starts) == 24
    assert [start.hour for start in span.starts].count(2) == 2
    assert [span.place(datetime(2025, 10, 26, hour, 10, tzinfo=UTC)) for hour in (0, 1, 2)] == [
        18,
        19,
        20,
    ]


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ((2026, 10, 25), (2026, 11, 24), "25 Oct – 23 Nov 2026"),
        ((2026, 11, 1), (2026, 11, 24), "1–23 Nov 2026"),
        ((2026, 11, 23), (2026, 11, 24), "23 Nov 2026"),
        ((2025, 12, 25), (2026, 1, 24), "25 Dec 2025 – 23 Jan 2026"),
        ((2026, 11, 22, 15), (2026, 11, 23, 15), "22 Nov 15:00 – 23 Nov 15:00"),
    ],
)
def test_a_span_is_written_as_people_write_it(start, end, text):
    zone = spans.ZoneInfo("Europe/Berlin")

    assert spans.dates(datetime(*start, tzinfo=zone), datetime(*end, tzinfo=zone), zone) == text
