"""How numbers are written on every page: dollars, counts, changes.

From one dollar an amount has two places; below, up to four significant digits and at least two
places; never `$0.00` for more than nothing. A space inside a number does not break.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Literal

# Costs are kept to ten places; an average can be finer and is then shown as "less than".
MAX_PLACES = 10
SMALLEST = Decimal(1).scaleb(-MAX_PLACES)
SIGNIFICANT = 4
SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
UNITS = (("k", 3), ("M", 6), ("B", 9), ("T", 12))
COLOUR_FROM_SHARE = Decimal("0.05")

Number = Decimal | int | float


def money(value: Number, exact: bool = False) -> str:
    """Write dollars: `$1,823.85`, `$0.8137`, `$0.0006832`; `exact` keeps all ten places."""
    amount = _decimal(value)
    if 0 < abs(amount) < SMALLEST:
        return _dollars(amount, MAX_PLACES)
    places = MAX_PLACES if exact else _places(amount)
    return _trim(_dollars(amount, places))


def column(values: Iterable[Number | None]) -> list[str]:
    """Write amounts that stand below each other with equally many places; None becomes a dash.

    Cents suffice when the largest is a dollar or more and none is under a cent; otherwise the
    smallest decides, with four significant digits.
    """
    amounts = [None if value is None else _decimal(value) for value in values]
    sizes = [abs(amount) for amount in amounts if amount]
    if not sizes or (max(sizes) >= 1 and min(sizes) >= Decimal("0.01")):
        places = 2
    else:
        places = max(2, min(MAX_PLACES, SIGNIFICANT - 1 - min(sizes).adjusted()))
    return [NOTHING if amount is None else _dollars(amount, places) for amount in amounts]


def short(value: Number) -> str:
    """Write a count in at most three significant digits: `1.28 M`; below 1,000 in full."""
    amount = _decimal(value)
    sign, size = (MINUS if amount < 0 else ""), abs(amount)
    if _round(size, 0) < 1000:
        return f"{sign}{_round(size, 0):f}"
    scaled = [(unit, _three_digits(size.scaleb(-power))) for unit, power in UNITS]
    # The first unit that fits after rounding: 999,600 is 1 M and not 1,000 k.
    unit, rounded = next((pair for pair in scaled if pair[1] < 1000), scaled[-1])
    text = f"{rounded:,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{sign}{text}{SPACE}{unit}"


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it is shown; `word` is read aloud in place of the arrow."""

    text: str
    word: Literal["up", "down", ""]
    tone: Literal["more", "less", ""]


def change(now: Number, before: Number, kind: str = "") -> Change:
    """Compare with the period before.

    Only costs (`kind="cost"`) are coloured, and only from 5 %: more calls are neither good nor bad.
    """
    then = _decimal(before)
    if not then:
        return Change("new" if now else NOTHING, "", "")
    share = (_decimal(now) - then) / abs(then)
    word: Literal["up", "down", ""] = "up" if share > 0 else "down" if share < 0 else ""
    tone: Literal["more", "less", ""] = ""
    if kind == "cost" and abs(share) >= COLOUR_FROM_SHARE:
        tone = "more" if share > 0 else "less"
    if share >= Decimal("9.995"):
        return Change(f"{_round(share + 1, 0):,f}{TIMES}", word, tone)
    return Change(f"{_round(abs(share) * 100, 0):f}{SPACE}%", word, tone)


def _decimal(value: Number) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _places(amount: Decimal) -> int:
    """Places of a single amount: cents from a dollar, else four significant digits."""
    if not amount or abs(amount) >= 1:
        return 2
    return min(MAX_PLACES, SIGNIFICANT - 1 - amount.adjusted())


def _dollars(amount: Decimal, places: int) -> str:
    sign = MINUS if amount < 0 else ""
    rounded = _round(abs(amount), places)
    if amount and not rounded:
        return f"{sign}<${Decimal(1).scaleb(-places):f}"
    return f"{sign}${rounded:,f}"


def _trim(text: str) -> str:
    """Drop zeros at the end, but keep two places."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0'):0<2}"


def _three_digits(size: Decimal) -> Decimal:
    return _round(size, max(0, 2 - max(size.adjusted(), 0)))


def _round(amount: Decimal, places: int) -> Decimal:
    with localcontext(prec=60):
        return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
