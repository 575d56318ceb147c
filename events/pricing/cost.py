"""The arithmetic of a price: rates times counts, each token counted once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal

PLACES = Decimal("1e-10")
PLAIN = frozenset({"input_tokens", "output_tokens", "requests"})
# 2^31 tokens at $1,000 a token fit; an overflow would be a bug and must not pass silently.
_CONTEXT = Context(prec=40, rounding=ROUND_HALF_EVEN)


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

    def price_at(self, input_tokens: int) -> Decimal:
        """Return the price for a call of that size."""
        for start, price in reversed(self.tiers):
            if input_tokens > start:
                return price
        return self.price


@dataclass(frozen=True, slots=True)
class Rate:
    """A price list that is valid for one provider, model, tier and moment; most special first."""

    id: int
    catalogue: str
    provider: str
    model: str
    units: tuple[Unit, ...]
    # The units of a call without token classes, which most calls are: nothing is inside them then.
    plain: tuple[Unit, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        plain = tuple(replace(unit, inside=()) for unit in self.units if unit.count in PLAIN)
        object.__setattr__(self, "plain", plain)

    def cost(self, counts: Mapping[str, int]) -> Decimal:
        """Return dollars to ten places. Raises InconsistentCounts.

        A unit is charged for what is not charged by a more special one: cached audio is neither
        cached text nor uncached audio (genai-prices decomposes the same way).
        """
        total, input_tokens = Decimal(0), counts.get("input_tokens", 0)
        own: list[int] = []
        for unit in self.plain if counts.keys() <= PLAIN else self.units:
            count = counts.get(unit.count, 0)
            for place in unit.inside:
                count -= own[place]
            if count < 0:
                raise InconsistentCounts
            own.append(count)
            if count:
                price = unit.price_at(input_tokens) if unit.tiers else unit.price
                total = _CONTEXT.add(total, _CONTEXT.multiply(price, count))
        return _CONTEXT.quantize(total, PLACES)
