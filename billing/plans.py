"""The price list: every plan and what it includes, in this one place.

The landing page, the billing pages, the quotas, the overage and the prices at Stripe are all made
from it. A price at Stripe cannot be changed: whoever changes an amount here has a new price made
by the next `manage.py stripe_prices`, and subscriptions keep the one they were bought at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CURRENCY = "usd"
TRIAL_DAYS = 14
# Overage is quoted for this many events and billed by the event.
OVERAGE_UNIT = 10_000
CENT = Decimal("0.01")


def cents(amount: Decimal) -> int:
    """Write an amount the way Stripe takes it. Raises ValueError for a part of a cent."""
    whole = amount * 100
    if whole != whole.to_integral_value():
        raise ValueError(f"{amount} has a part of a cent")
    return int(whole)


def dollars(amount: int) -> Decimal:
    """Read an amount of Stripe's."""
    return Decimal(amount) / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is bought. None for a count means that there is no limit."""

    code: str
    name: str
    monthly_usd: Decimal
    events: int | None
    overage_usd: Decimal | None  # for each OVERAGE_UNIT; None: at the limit it stops
    members: int | None
    history_days: int | None
    extras: tuple[str, ...] = ()

    @property
    def is_paid(self) -> bool:
        """Whether it needs a card."""
        return self.monthly_usd > 0

    @property
    def lookup_key(self) -> str:
        """The name of its price at Stripe, another one for another amount."""
        return f"llmcost_{self.code}_{CURRENCY}_{cents(self.monthly_usd)}"

    def overage(self, beyond: int) -> Decimal:
        """Return what so many events beyond the included ones cost, to the cent."""
        if self.overage_usd is None:
            return Decimal(0)
        return (max(0, beyond) * self.overage_usd / OVERAGE_UNIT).quantize(CENT, ROUND_HALF_UP)


FREE = Plan(
    code="free",
    name="Free",
    monthly_usd=Decimal(0),
    events=100_000,
    overage_usd=None,
    members=2,
    history_days=90,
)
TEAM = Plan(
    code="team",
    name="Team",
    monthly_usd=Decimal("49.00"),
    events=2_000_000,
    overage_usd=Decimal("0.30"),
    members=10,
    history_days=730,
)
BUSINESS = Plan(
    code="business",
    name="Business",
    monthly_usd=Decimal("249.00"),
    events=20_000_000,
    overage_usd=Decimal("0.15"),
    members=None,
    history_days=None,
    extras=("Single sign-on for your company",),
)
SELF_HOSTED = Plan(
    code="self_hosted",
    name="Self-hosted",
    monthly_usd=Decimal(0),
    events=None,
    overage_usd=None,
    members=None,
    history_days=None,
    extras=("Your events stay with you",),
)

PLANS: Mapping[str, Plan] = {plan.code: plan for plan in (FREE, TEAM, BUSINESS, SELF_HOSTED)}
# What is bought here with a card, cheapest first.
PAID = tuple(plan for plan in PLANS.values() if plan.is_paid)
