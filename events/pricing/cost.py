"""The arithmetic of a price: rates times counts, each token counted once.

Money is Decimal outside. Inside, prices are whole numbers of the rate's smallest coin, so that a
sum is exact, needs rounding once at most, and takes a third of the time.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from events.ingest.wire import Event

COST_PLACES = 10
PLACES = Decimal(1).scaleb(-COST_PLACES)
# What is counted once for each call, whatever it says.
REQUESTS = "requests"


class InconsistentCounts(Exception):
    """Parts are larger than their whole, so no price can be right."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one kind of thing costs.

    `price` is dollars for one; `tiers` are (start, dollars for one), ascending: a call with more
    input tokens than `start` pays that price for all of them. `inside` are the units, earlier in
    the rate, whose counts are part of this one's.
    """

    count: str
    price: Decimal
    tiers: tuple[tuple[int, Decimal], ...]
    inside: tuple[int, ...]

    @property
    def prices(self) -> tuple[Decimal, ...]:
        """Every price that may apply."""
        return self.price, *(price for _, price in self.tiers)

    def coins(self, places: int) -> "_Line":
        """Return the same in whole coins of 10^-places dollars."""
        tiers = tuple((start, _coins(price, places)) for start, price in reversed(self.tiers))
        return self.count, _coins(self.price, places), tiers, self.inside


# A unit in coins: what it counts, coins for one, (start, coins) descending, the units inside.
_Line = tuple[str, int, tuple[tuple[int, int], ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Rate:
    """A price list that is valid for one provider, model, tier and moment; most special first."""

    id: int
    catalogue: str
    provider: str
    model: str
    units: tuple[Unit, ...]
    # How many places a coin has below the dollar: as many as the finest price needs.
    _places: int = field(init=False, compare=False, repr=False)
    _lines: tuple[_Line, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        places = max(
            [COST_PLACES, *(_places(price) for unit in self.units for price in unit.prices)]
        )
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_lines", tuple(unit.coins(places) for unit in self.units))

    def cost(self, call: Event) -> Decimal:
        """Return dollars to ten places. Raises InconsistentCounts.

        A unit is charged for what is not charged by a more special one: cached audio is neither
        cached text nor uncached audio (genai-prices decomposes the same way).
        """
        coins = 0
        own: list[int] = []
        for name, price, tiers, inside in self._lines:
            count = 1 if name == REQUESTS else getattr(call, name) or 0
            for place in inside:
                count -= own[place]
            if count < 0:
                raise InconsistentCounts
            own.append(count)
            if count:
                coins += count * (_price_at(call.input_tokens, tiers, price) if tiers else price)
        if self._places > COST_PLACES:
            coins = _round_half_even(coins, 10 ** (self._places - COST_PLACES))
        return Decimal(coins).scaleb(-COST_PLACES)

    def charges_for(self, count: str) -> bool:
        """Whether this count of a call has a price here."""
        return any(unit.count == count for unit in self.units)


def _price_at(input_tokens: int, tiers: tuple[tuple[int, int], ...], base: int) -> int:
    """Return the price for a call of that size."""
    return next((price for start, price in tiers if input_tokens > start), base)


def _places(price: Decimal) -> int:
    exponent = price.as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError(f"no price is {price}")
    return -exponent


def _coins(price: Decimal, places: int) -> int:
    return int(price.scaleb(places))


def _round_half_even(number: int, divisor: int) -> int:
    whole, rest = divmod(number, divisor)
    return whole + (2 * rest > divisor or (2 * rest == divisor and whole % 2))
