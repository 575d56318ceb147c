"""The price list for templates."""

from decimal import Decimal

from django import template

from billing.plans import OVERAGE_UNIT, PLANS, Plan

register = template.Library()


@register.simple_tag
def plans() -> list[Plan]:
    """Return every plan, cheapest first."""
    return list(PLANS.values())


@register.filter
def usd(amount: Decimal) -> str:
    """Write an amount as an invoice does; whole dollars without cents."""
    sign = "−" if amount < 0 else ""
    amount = abs(amount)
    if amount == amount.to_integral_value():
        return f"{sign}${amount:,.0f}"
    return f"{sign}${amount:,.2f}"


@register.filter
def usd_exact(amount: Decimal) -> str:
    """Write an amount with its cents, for a column."""
    return f"{'−' if amount < 0 else ''}${abs(amount):,.2f}"


@register.filter
def grouped(number: int) -> str:
    """Write a count with its thousands apart."""
    return f"{number:,}"


@register.filter
def promises(plan: Plan) -> list[str]:
    """Say in words what a plan includes."""
    return [
        f"{_count(plan.events)} calls a month" if plan.events else "No limit of calls",
        _members(plan.members),
        _history(plan.history_days),
        f"{usd(plan.overage_usd)} for each {OVERAGE_UNIT:,} more"
        if plan.overage_usd
        else "Stops at the limit, never a bill"
        if plan.events
        else "All features",
        *plan.extras,
    ]


def _count(number: int) -> str:
    return f"{number // 1_000_000} million" if number >= 1_000_000 else f"{number:,}"


def _members(number: int | None) -> str:
    return f"{number} members" if number else "Members without limit"


def _history(days: int | None) -> str:
    if days is None:
        return "History as long as you like"
    return f"{days // 365} years of history" if days % 365 == 0 else f"{days} days of history"
