"""From Stripe's objects to what pages show: `billing_account` and `billing_invoice`.

Whoever has an object of Stripe's in hand writes it here: a page that has just changed something
(`record`), and the worker that has just fetched it. It takes the object as the API returned it
and looks only at what may be kept of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.dispatch import Signal

from billing import retention
from billing.models import FREE, BillingAccount, Invoice, Status, TaxIdStatus
from billing.stripe.allowed import of_object
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import paying_customer, tenant

# Sent inside the transaction that writes, when plan, status or their dates have changed:
# `before` and `after` are Standing. Whoever mails or locks on a change listens here.
standing_changed = Signal()

RECONCILE = "stripe_reconcile"
RECONCILE_EVERY = timedelta(days=1)
# With these a plan is used; before the first payment and after the end it is the free one.
ENTITLED = {Status.TRIALING, Status.ACTIVE, Status.PAST_DUE, Status.UNPAID, Status.PAUSED}
OWING = {Status.PAST_DUE, Status.UNPAID}
# Currencies that have no cents (Stripe: "zero-decimal").
WHOLE = set("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Standing:
    """What, when it changes, somebody must be told of or something must be locked for."""

    plan: str
    status: str
    cancel_at_period_end: bool
    past_due_since: datetime | None
    trial_end: datetime | None
    period_end: datetime | None


def record(account_id: int, *objects: Any) -> BillingAccount:
    """Write Stripe objects that belong to an account into its rows; return the account's row.

    Of objects of one kind the last one counts. Kinds that pages do not show change nothing.
    """
    with tenant(account_id):
        BillingAccount.objects.get_or_create(account_id=account_id)
        row = BillingAccount.objects.select_for_update().get(account_id=account_id)
        before = _standing(row)
        for one in objects:
            data = of_object(one.to_dict() if hasattr(one, "to_dict") else one)
            if writes := WRITERS.get(data.get("object", "")):
                writes(row, data)
        row.synced_at = clock.now()
        row.save()
        after = _standing(row)
        if after != before:
            standing_changed.send(BillingAccount, row=row, before=before, after=after)
    return row


def account_of(customer_id: str) -> int | None:
    """Return whose customer this is, None if it is nobody's here. For the worker alone."""
    with paying_customer(customer_id):
        return (
            BillingAccount.objects.filter(stripe_customer_id=customer_id)
            .values_list("account_id", flat=True)
            .first()
        )


def _standing(row: BillingAccount) -> Standing:
    return Standing(
        plan=row.plan,
        status=row.status,
        cancel_at_period_end=row.cancel_at_period_end,
        past_due_since=row.past_due_since,
        trial_end=row.trial_end,
        period_end=row.period_end,
    )


def _customer(row: BillingAccount, data: Mapping[str, Any]) -> None:
    row.stripe_customer_id = data["id"]
    due.schedule(RECONCILE, row.account_id, clock.now() + RECONCILE_EVERY)
    if data.get("deleted"):
        row.card_last4, row.billing_address = "", {}
    elif "address" in data:
        row.billing_address = _address(data["address"])


def _payment_method(row: BillingAccount, data: Mapping[str, Any]) -> None:
    row.card_last4 = (data.get("card") or {}).get("last4") or ""
    if not row.billing_address:
        row.billing_address = _address((data.get("billing_details") or {}).get("address"))


def _subscription(row: BillingAccount, data: Mapping[str, Any]) -> None:
    row.stripe_subscription_id = data["id"]
    row.status = data["status"]
    row.plan = _plan(data) if row.status in ENTITLED else FREE
    # Since 2025 a period belongs to the subscription's items, which all have the same one here.
    first: Mapping[str, Any] = next(iter(_list(data, "items")), {})
    row.period_start = _moment(first, "current_period_start") or _moment(
        data, "current_period_start"
    )
    row.period_end = _moment(first, "current_period_end") or _moment(data, "current_period_end")
    row.trial_end = _moment(data, "trial_end")
    row.cancel_at_period_end = bool(data.get("cancel_at_period_end") or data.get("cancel_at"))
    if row.status not in OWING:
        row.past_due_since = None
    elif row.past_due_since is None:
        row.past_due_since = clock.now()


def _plan(subscription: Mapping[str, Any]) -> str:
    """Return the plan that is paid for: what the price says, else the subscription."""
    prices = [item.get("price") or {} for item in _list(subscription, "items")]
    named = [(one.get("metadata") or {}).get("plan") for one in (*prices, subscription)]
    return next((plan for plan in named if plan), FREE)


def _tax_id(row: BillingAccount, data: Mapping[str, Any]) -> None:
    status = (data.get("verification") or {}).get("status") or TaxIdStatus.PENDING
    row.tax_id_status = TaxIdStatus.NONE if data.get("deleted") else status


def _invoice(row: BillingAccount, data: Mapping[str, Any]) -> None:
    def money(name: str) -> Decimal:
        return _money(data.get(name), data["currency"])

    if data.get("deleted"):  # only a draft can be
        Invoice.objects.filter(account_id=row.account_id, stripe_id=data["id"]).delete()
        return
    done = data.get("status_transitions") or {}
    taxes = data.get("total_taxes") or data.get("total_tax_amounts") or []
    overage = [
        line
        for line in _list(data, "lines")
        if "events" in (line.get("metadata") or {}) and not line.get("proration")
    ]
    invoice, _ = Invoice.objects.update_or_create(
        account_id=row.account_id,
        stripe_id=data["id"],
        defaults={
            "number": data.get("number") or "",
            "status": data.get("status") or "draft",
            "issued_at": _moment(done, "finalized_at") or _moment(data, "created") or clock.now(),
            "period_start": _moment(data, "period_start"),
            "period_end": _moment(data, "period_end"),
            "currency": data["currency"],
            "subtotal": money("subtotal"),
            "tax": money("tax")
            or _money(sum(one.get("amount") or 0 for one in taxes), data["currency"]),
            "total": money("total"),
            "amount_due": money("amount_due"),
            "amount_paid": money("amount_paid"),
            "overage": _money(sum(one.get("amount") or 0 for one in overage), data["currency"]),
            "billing_address": _address(data.get("customer_address")),
        },
    )
    retention.note(row.account_id, invoice.issued_at)


WRITERS: Mapping[str, Callable[[BillingAccount, Mapping[str, Any]], None]] = {
    "customer": _customer,
    "invoice": _invoice,
    "payment_method": _payment_method,
    "subscription": _subscription,
    "tax_id": _tax_id,
}


def _address(lines: Any) -> dict[str, str]:
    return {name: line for name, line in lines.items() if line} if isinstance(lines, dict) else {}


def _list(data: Mapping[str, Any], name: str) -> list[Any]:
    return (data.get(name) or {}).get("data") or []


def _moment(data: Mapping[str, Any], name: str) -> datetime | None:
    seconds = data.get(name)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _money(amount: int | None, currency: str) -> Decimal:
    whole = Decimal(amount or 0)
    return whole if currency in WHOLE else whole / 100
