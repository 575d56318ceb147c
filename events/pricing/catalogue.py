"""The price catalogue (genai-prices): from provider, model, tier and moment to a rate.

Looking a model up takes about 100 µs, a rate's arithmetic about 2, so resolved rates are kept.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version

import msgspec
from genai_prices import data_snapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    PriceVariant,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.units import UnitDef, _get_registry

from events.pricing.cost import REQUESTS, Rate, Unit
from events.pricing.names import model_names

CATALOGUE = f"genai-prices {version('genai-prices')}"

# The contract's counts under the catalogue's names. What a class has no price of its own for is
# charged as the whole that it is part of.
COUNTS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "cached_audio_tokens": "cache_audio_read_tokens",
    "input_image_tokens": "input_image_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "output_image_tokens": "output_image_tokens",
    "web_search_requests": "web_searches",
}
_NAME_OF = {unit: name for name, unit in COUNTS.items()}

# How the catalogue calls the tiers of the contract; a model offers a tier if it knows one of them.
_TIERS: dict[str, tuple[dict[str, str], ...]] = {
    "batch": ({"processing": "batch"},),
    "flex": ({"service_tier": "flex"},),
    "priority": ({"service_tier": "priority"},),
    "fast": ({"service_tier": "fast"}, {"speed": "fast"}),
}


class Unpriced(Exception):
    """No price is known; `reason` is one of the codes below."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


UNKNOWN_MODEL = "unknown_model"
UNKNOWN_TIER = "unknown_tier"
NOT_BY_TOKENS = "not_by_tokens"
INCONSISTENT = "inconsistent_counts"
SEARCHES_UNKNOWN = "unknown_search_price"


def rate_for(provider: str | None, model: str, tier: str | None, at: datetime) -> Rate:
    """Return the rate that applied at a moment in UTC. Raises Unpriced with the reason.

    Without a provider the catalogue is asked whose model it is; where it cannot say, the model is
    unknown: a guess would be a wrong price.
    """
    found = _find(provider, model)
    if found is None:
        raise Unpriced(UNKNOWN_MODEL)
    minute = at.hour * 60 + at.minute if found.depends_on_time_of_day else 0
    resolved = _resolve(found, tier, at.toordinal(), minute)
    if isinstance(resolved, str):
        raise Unpriced(resolved)
    return resolved


def provider_of(model: str) -> str | None:
    """Return whose model this is where its name alone tells, else None."""
    found = _find(None, model)
    return found.provider if found else None


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A model of the catalogue; compared by identity, so that it can key a cache."""

    provider: str
    info: ModelInfo
    is_providers_own: bool
    depends_on_time_of_day: bool


@lru_cache(maxsize=20_000)
def _find(provider: str | None, model: str) -> _Found | None:
    snapshot = data_snapshot.get_snapshot()
    for name in model_names(model):
        try:
            owner, info = snapshot.find_provider_model(name, None, provider, None)
        except LookupError:
            continue
        conditions: list[ConditionalPrice | PriceVariant] = [*(info.price_variants or ())]
        if isinstance(info.prices, list):
            conditions += info.prices
        return _Found(
            owner.id,
            info,
            any(info is own for own in owner.models),
            any(isinstance(one.constraint, TimeOfDateConstraint) for one in conditions),
        )
    return None


@lru_cache(maxsize=50_000)
def _resolve(found: _Found, tier: str | None, day: int, minute: int) -> Rate | str:
    at = datetime.fromordinal(day).replace(tzinfo=UTC) + timedelta(minutes=minute)
    prices = dict(found.info.get_prices(at).__dict__)
    if tier not in (None, "standard"):
        # A host that resells a model (Azure, OpenRouter) has tiers of its own or none.
        special = _tier_prices(found.info, tier, at) if found.is_providers_own else {}
        if not special:
            return UNKNOWN_TIER
        prices |= special
    units = _units(prices)
    if not units:
        return NOT_BY_TOKENS
    return rate(CATALOGUE, found.provider, found.info.id, units)


def _tier_prices(info: ModelInfo, tier: str, at: datetime) -> dict[str, Decimal | TieredPrices]:
    """Return what a tier changes.

    The catalogue has dated most tiers from the day it learned of them (October 2026), which would
    charge an older batch call in full; a tier counts from the model's start instead, unless
    another one was in force at that time.
    """
    matching = [
        variant
        for variant in info.price_variants or ()
        if any(variant.when == when for when in _TIERS[tier])
    ]
    in_force = [v for v in matching if v.constraint is None or v.constraint.active(at)]
    prices: dict[str, Decimal | TieredPrices] = {}
    for variant in in_force or matching[:1]:
        for key, price in variant.prices.__dict__.items():
            if price is not None:
                prices.setdefault(key, price)
    return prices


def _units(prices: dict[str, Decimal | TieredPrices | None]) -> tuple[Unit, ...]:
    """Order what is priced from the most special to the most general, as `Rate.cost` needs it."""
    registry = _get_registry()
    known: list[tuple[UnitDef, Decimal | TieredPrices]] = []
    for key, price in prices.items():
        if price is None or key.startswith("_"):
            continue
        unit = registry.unit_for_price_key(key)
        if unit.usage_key in _NAME_OF or unit.usage_key == REQUESTS:
            known.append((unit, price))
        elif unit.dimensions.get("family") not in ("tokens", "tool_calls"):
            return ()  # billed by characters, seconds or pages, which an event does not carry
    known.sort(key=lambda pair: (-len(pair[0].dimensions), pair[0].usage_key))
    defs = [unit for unit, _ in known]
    return tuple(
        Unit(
            count=_NAME_OF.get(unit.usage_key, REQUESTS),
            price=_each(price.base if isinstance(price, TieredPrices) else price, unit),
            tiers=tuple((tier.start, _each(tier.price, unit)) for tier in price.tiers)
            if isinstance(price, TieredPrices)
            else (),
            inside=tuple(
                place
                for place, other in enumerate(defs)
                if other is not unit and unit.dimensions.items() <= other.dimensions.items()
            ),
        )
        for unit, price in known
    )


def _each(price: Decimal, unit: UnitDef) -> Decimal:
    return price / unit.per


def rate(catalogue: str, provider: str, model: str, units: tuple[Unit, ...]) -> Rate:
    """Return a rate under its number, which follows from what it says."""
    written = msgspec.json.encode([catalogue, provider, model, units])
    number = int.from_bytes(hashlib.sha256(written).digest()[:8]) >> 1  # a positive bigint
    return Rate(number, catalogue, provider, model, units)
