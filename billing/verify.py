"""Are invoices right? Everything billed beyond a plan is counted again from the events.

For each account three things must agree: the events themselves, our own row of what was used in
the period (`Overage`), and the line of the invoice that Stripe made of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from djstripe import models as mirrored

from billing.models import BillingAccount, Overage
from billing.plans import PLANS
from billing.stripe.record import RECONCILE
from llmcost.models import DueWork
from llmcost.tenancy.context import tenant

# What was there when it was billed: an event that came later belongs to no invoice of its period.
COUNT = """
    SELECT count(*) FROM events_event
    WHERE account_id = %(account)s AND created_at >= %(start)s AND created_at < %(end)s
      AND received_at <= %(billed_at)s
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """What does not agree, in words for whoever must find out why."""

    account_id: int
    period: datetime
    what: str

    def __str__(self) -> str:
        return f"account {self.account_id}, {self.period:%Y-%m-%d}: {self.what}"


def paying_accounts() -> list[int]:
    """Return every account that is a customer at Stripe."""
    rows = DueWork.objects.filter(kind=RECONCILE).order_by("account_id")
    return list(rows.values_list("account_id", flat=True))


def differences(account_id: int) -> list[Difference]:
    """Compare an account's invoices with its events. Needs the worker's role."""
    with tenant(account_id):
        row = BillingAccount.objects.get(account_id=account_id)
        overages = list(Overage.objects.filter(account_id=account_id).order_by("period_start"))
        lines = _lines(row.stripe_customer_id)
        found = [one for overage in overages for one in _of_period(overage, lines)]
    known = {overage.period_start for overage in overages}
    return found + [
        Difference(account_id, period, f"{sum(amounts):.2f} is billed, and no row says what for")
        for period, amounts in lines.items()
        if period not in known
    ]


def _of_period(overage: Overage, lines: dict[datetime, list[Decimal]]) -> Iterator[Difference]:
    def differs(what: str) -> Difference:
        return Difference(overage.account_id, overage.period_start, what)

    counted = _count(overage)
    if counted != overage.used_events:
        yield differs(f"{overage.used_events} events were billed, {counted} are there")
    plan = PLANS.get(overage.plan)
    due = plan.overage(overage.used_events - overage.included_events) if plan else None
    if due != overage.amount:
        yield differs(f"{overage.amount} was billed, the plan {overage.plan} makes it {due}")
    if not overage.stripe_item_id:
        yield differs("Stripe has not been told of it")
    billed = lines.get(overage.period_start, [])
    if billed and billed != [overage.amount]:
        amounts = " and ".join(f"{amount:.2f}" for amount in billed)
        yield differs(f"{overage.amount} was to be billed, the invoices say {amounts}")


def _count(overage: Overage) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT,
            {
                "account": overage.account_id,
                "start": overage.period_start,
                "end": overage.period_end,
                "billed_at": overage.created_at,
            },
        )
        return int(cursor.fetchone()[0])


def _lines(customer_id: str) -> dict[datetime, list[Decimal]]:
    """Return what invoices ask for use beyond the plan, by the period that they say it is for."""
    asked: dict[datetime, list[Decimal]] = {}
    invoices = mirrored.Invoice.objects.filter(customer_id=customer_id)
    for invoice in invoices.exclude(stripe_data__status="void"):
        for line in (invoice.stripe_data.get("lines") or {}).get("data") or []:
            words = line.get("metadata") or {}
            if "events" in words and "period_start" in words:
                period = datetime.fromisoformat(words["period_start"])
                asked.setdefault(period, []).append(Decimal(line["amount"]) / 100)
    return asked
