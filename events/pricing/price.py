"""What an event cost, and who says so."""

from decimal import Decimal

from msgspec import Struct

from events.ingest.wire import Call
from events.pricing import catalogue
from events.pricing.cost import InconsistentCounts, Rate
from events.pricing.names import canonical_provider


class Price(Struct, frozen=True, gc=False):
    """An event's cost and where it comes from; `cost_usd` is None where no price is known."""

    provider: str | None
    cost_usd: Decimal | None
    cost_source: str
    catalogue_cost_usd: Decimal | None = None
    rate: Rate | None = None
    unpriced_reason: str | None = None

    @property
    def rate_id(self) -> int | None:
        """The rate's number."""
        return self.rate.id if self.rate else None


def price(event: Call) -> Price:
    """Price one event: the caller's cost stands, and ours beside it; else ours, or none."""
    provider = (
        catalogue.provider_of(event.model)
        if event.provider is None
        else canonical_provider(event.provider)
    )
    reason, rate, own = None, None, None
    try:
        rate = catalogue.rate_for(provider, event.model, event.service_tier, event.created_at)
        own = _cost(rate, event)
    except catalogue.Unpriced as unpriced:
        reason = unpriced.reason
    if event.cost_usd is not None:
        return Price(provider, event.cost_usd, "caller", own, rate)
    if own is None:
        return Price(provider, None, "unpriced", unpriced_reason=reason)
    return Price(provider, own, "catalogue", rate=rate)


def _cost(rate: Rate, event: Call) -> Decimal:
    if event.web_search_requests and not rate.charges_for("web_search_requests"):
        raise catalogue.Unpriced(catalogue.SEARCHES_UNKNOWN)
    try:
        return rate.cost(event)
    except InconsistentCounts:
        raise catalogue.Unpriced(catalogue.INCONSISTENT) from None
