"""Numbers to SVG: bars on the server, so that a page is complete before any script runs.

Across, everything is in per cent and nothing scales: one drawing fits a phone and a wide screen,
and its text keeps its size. Downwards everything is in pixels. No style attributes, no scripts.
See docs/decisions/0004-charts-are-server-rendered-svg.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from llmcost.web.numbers import short

TOP, PLOT, BOTTOM = 10, 220, 26
HEIGHT = TOP + PLOT + BOTTOM
# The widths for which labels are thinned out; CSS shows the first kind from 40rem on.
WIDE, NARROW = 560, 210
CHARACTER = 7.0  # pixels, of a label
STEPS = tuple(map(Decimal, ("1", "2", "2.5", "4", "5", "10")))
EVERY = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
GAP = 1.0  # between two parts of a bar, so that colour alone need not part them
THINNEST = 0.75  # pixels of a part that is more than nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """A chart of stacked bars, beside the sums of an earlier period.

    `parts` holds the colour and the values of each series; all lists are as long as `labels`.
    Labels are thinned out so that the one at `anchor` stays. `running` is the bar that is not over.
    """

    name: str
    labels: Sequence[str]
    titles: Sequence[str]
    parts: Sequence[tuple[int, Sequence[Decimal]]]
    before: Sequence[Decimal]
    anchor: int
    running: int | None = None


def stacked_bars(bars: Bars) -> SafeString:
    """Draw the bars with their scale; the period before is a dashed line."""
    count = len(bars.labels)
    sums = [sum((values[place] for _, values in bars.parts), Decimal(0)) for place in range(count)]
    ticks = scale(max([*sums, *bars.before, Decimal(0)]))
    top = ticks[-1]
    labels = [axis_label(tick, ticks[1]) for tick in ticks]
    width = 10 + CHARACTER * max(map(len, labels))
    axis = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (_n(width - 8), _n(_y(tick, top) + 4), label)
            for tick, label in zip(ticks, labels, strict=True)
        ),
    )
    lines = format_html_join(
        "",
        '<line class="{}" x1="0" x2="100%" y1="{}" y2="{}"/>',
        (
            ("grid-line" if tick else "base-line", _n(_y(tick, top)), _n(_y(tick, top)))
            for tick in ticks
        ),
    )
    columns = mark_safe("".join(_column(bars, place, top) for place in range(count)))  # noqa: S308
    return format_html(
        '<div class="plot"><svg class="plot__axis" width="{}" height="{}" aria-hidden="true">{}'
        '</svg><svg class="plot__bars" width="100%" height="{}" role="img" aria-label="{}">'
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path class="hatch" d="M1.5 0V7"/></pattern></defs>'
        "{}{}{}{}</svg></div>",
        _n(width), HEIGHT, axis, HEIGHT, bars.name, lines, columns, _previous(bars, top),
        _labels(bars),
    )  # fmt: skip


def share_bar(part: float, colour: int | None = None) -> SafeString:
    """Draw a share of a whole as a thin bar; the number stands beside it."""
    return format_html(
        '<svg class="share{}" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="1"/></svg>',
        "" if colour is None else f" s{colour}",
        f"{min(100.0, max(0.6, part * 100)) if part > 0 else 0:.1f}",
    )


# --- The scale -------------------------------------------------------------------------------
def scale(highest: Decimal) -> list[Decimal]:
    """Return the ticks from zero to at least `highest`: four or five of them, round numbers."""
    if highest <= 0:
        highest = Decimal(1)
    raw = highest / 4
    base = Decimal(1).scaleb(raw.adjusted())
    step = next(step * base for step in STEPS if step * base >= raw)
    count = int((highest / step).to_integral_value(ROUND_CEILING))
    return [step * place for place in range(max(count, 2) + 1)]


def axis_label(value: Decimal, step: Decimal) -> str:
    """Write a tick with no more places than its step needs: `$0.0025`, `$40`, `$12.5 k`."""
    if not value:
        return "$0"
    if value >= 10_000:
        return f"${short(value)}"
    places = max(0, -int(step.normalize().as_tuple().exponent))
    return f"${value:,.{2 if places == 1 else places}f}"


# --- Parts of the drawing --------------------------------------------------------------------
def stack(values: Sequence[Decimal], top: Decimal) -> list[tuple[float, float]]:
    """Return upper and lower edge of each part in pixels; each stands on the one before."""
    edges, base = [], Decimal(0)
    for value in values:
        edges.append((_y(base + value, top), _y(base, top)))
        base += value
    return edges


def _column(bars: Bars, place: int, top: Decimal) -> SafeString:
    """One bar: its title, the area that reacts to a pointer, its parts, its hatching."""
    slot = 100 / len(bars.labels)
    wide = slot * _fill(len(bars.labels))
    left, x = slot * place, slot * place + (slot - wide) / 2
    edges = stack([values[place] for _, values in bars.parts], top)
    parts = format_html_join(
        "",
        '<rect class="bar s{}" x="{}%" y="{}" width="{}%" height="{}" rx="1.5"/>',
        (
            (colour, _n(x), _n(y), _n(wide), _n(height))
            for (colour, values), (upper, lower) in zip(bars.parts, edges, strict=True)
            if values[place] > 0
            for y, height in [_visible(upper, lower)]
        ),
    )
    hatching = ""
    if place == bars.running and edges:
        upper = edges[-1][0]
        hatching = format_html(
            '<rect x="{}%" y="{}" width="{}%" height="{}" fill="url(#hatch)"/>',
            _n(x), _n(upper), _n(wide), _n(TOP + PLOT - upper),
        )  # fmt: skip
    return format_html(
        '<g class="plot__column" data-bar="{}"><title>{}</title>'
        '<rect class="plot__slot" x="{}%" y="{}" width="{}%" height="{}"/>{}{}</g>',
        place, bars.titles[place], _n(left), TOP, _n(slot), PLOT, parts, hatching,
    )  # fmt: skip


def _visible(upper: float, lower: float) -> tuple[float, float]:
    """Return where a part is drawn and how high: less the gap, but never nothing."""
    height = max(THINNEST, lower - upper - GAP)
    return max(TOP, min(upper, lower - height)), height


def _previous(bars: Bars, top: Decimal) -> SafeString:
    """Draw the dashed line; a drawing of its own, because a path knows no per cent."""
    if not any(bars.before):
        return SafeString()
    slot = 100 / len(bars.before)
    points = "L".join(
        f"{_n(slot * (place + 0.5))} {_n(_y(value, top) - TOP)}"
        for place, value in enumerate(bars.before)
    )
    return format_html(
        '<svg class="plot__before" y="{}" width="100%" height="{}" viewBox="0 0 100 {}" '
        'preserveAspectRatio="none"><path class="previous" vector-effect="non-scaling-stroke" '
        'd="M{}"/></svg>',
        TOP, PLOT, PLOT, points,
    )  # fmt: skip


def _labels(bars: Bars) -> SafeString:
    wide = every(bars.labels, WIDE)
    narrow = every(bars.labels, NARROW, multiple_of=wide)
    slot = 100 / len(bars.labels)
    shown = []
    for place, label in enumerate(bars.labels):
        if (place - bars.anchor) % wide:
            continue
        # A label in the middle of the last, thin bar would stick out.
        sticks_out = place == len(bars.labels) - 1 and WIDE * slot / 100 < CHARACTER * len(label)
        shown.append(
            (
                "" if (place - bars.anchor) % narrow == 0 else ' class="plot__wide"',
                _n(100 if sticks_out else slot * (place + 0.5)),
                HEIGHT - 6,
                "end" if sticks_out else "middle",
                label,
            )
        )
    return format_html_join(
        "",
        '<text{} x="{}%" y="{}" text-anchor="{}">{}</text>',
        ((mark_safe(kind), *rest) for kind, *rest in shown),  # noqa: S308 - two constants
    )


def every(labels: Sequence[str], width: float, multiple_of: int = 1) -> int:
    """Return how many bars share a label, so that labels do not touch at this width."""
    slot = width / len(labels)
    # Half a label more than it takes: the last one may stand to the left of its bar.
    needed = 1.5 * CHARACTER * max(map(len, labels)) + 8
    steps = [step * multiple_of for step in EVERY]
    return next((step for step in steps if step * slot >= needed), steps[-1])


def _fill(count: int) -> float:
    """Return how much of its slot a bar takes: few bars would be blocks otherwise."""
    return 0.4 if count <= 10 else 0.66 if count <= 40 else 0.74


def _y(value: Decimal, top: Decimal) -> float:
    return TOP + PLOT * (1 - float(value / top))


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
