# SPDX-License-Identifier: GPL-3.0-or-later
"""What Stripe does and localstripe leaves out: cards that are set up and then charged, prorations,
pending changes, credit, renewals.
"""

from __future__ import annotations

import time
from typing import Any

from localstripe import resources
from localstripe.errors import UserError
from localstripe.resources import (
    Customer,
    Event,
    Invoice,
    InvoiceItem,
    PaymentMethod,
    Plan,
    SetupIntent,
    Subscription,
    SubscriptionItem,
    schedule_webhook,
)

Json = dict[str, Any]

# A card that asks for 3-D Secure when it is set up, and never again.
ASKS_ONCE = "4000002500003155"


def teach() -> None:
    """Put our behaviour into localstripe's classes."""
    asks = PaymentMethod._requires_authentication
    confirm, paid = SetupIntent._api_confirm.__func__, Subscription._on_initial_payment_success

    def requires_authentication(self: PaymentMethod) -> bool:
        is_set_up = self.customer is not None and self._card_number == ASKS_ONCE
        return bool(asks(self)) and not is_set_up

    def confirm_and_attach(cls: type, id: str, **data: Any) -> SetupIntent:
        intent = confirm(cls, id, **data)
        if intent.status == "succeeded":
            method = PaymentMethod._api_retrieve(intent.payment_method)
            method.customer = intent.customer
            schedule_webhook(Event("setup_intent.succeeded", intent))
            schedule_webhook(Event("payment_method.attached", method))
        return intent

    def pay_and_apply(self: Subscription, invoice: Invoice) -> None:
        paid(self, invoice)
        pending = getattr(self, "_pending", None)
        if pending and self.latest_invoice == invoice.id:
            _apply(self, pending["price"])
        schedule_webhook(Event("customer.subscription.updated", self))

    voided = Subscription._on_initial_payment_voided
    failed = Subscription._on_recurring_payment_failure

    def fail_or_wait(self: Subscription, invoice: Invoice) -> None:
        if not (getattr(self, "_pending", None) and self.latest_invoice == invoice.id):
            failed(self, invoice)
            schedule_webhook(Event("customer.subscription.updated", self))

    def void_and_forget(self: Subscription, invoice: Invoice) -> None:
        if getattr(self, "_pending", None) and self.latest_invoice == invoice.id:
            self._pending = None
        elif self.status == "incomplete":
            voided(self, invoice)

    Subscription._on_recurring_payment_failure = fail_or_wait
    Subscription._on_initial_payment_voided = void_and_forget
    PaymentMethod._requires_authentication = requires_authentication
    SetupIntent._api_confirm = classmethod(confirm_and_attach)
    Subscription._on_initial_payment_success = pay_and_apply


# --- Changes of plan -------------------------------------------------------------------------
def change(subscription: Subscription, plan_id: str, at: int) -> None:
    """Move a subscription to another plan and bill the difference now.

    The change waits until its invoice is paid (Stripe's `pending_if_incomplete`).
    """
    plan = Plan._api_retrieve(plan_id)
    lines = [InvoiceItem(**line) for line in _prorations(subscription, plan, at)]
    subscription._pending = {"price": plan.id}
    invoice = _invoice_of(subscription, lines, "subscription_update")
    if invoice.status == "paid":
        _apply(subscription, plan.id)


def preview(subscription: Subscription, plan_id: str, at: int) -> Json:
    """Return the invoice that `change` would make, without making it."""
    before = dict(resources.store)
    lines = [
        InvoiceItem(**line) for line in _prorations(subscription, Plan._api_retrieve(plan_id), at)
    ]
    invoice = Invoice(customer=subscription.customer, items=lines, date=at, simulation=True)
    invoice.subscription = subscription.id
    invoice.billing_reason = "upcoming"
    shown = invoice._export()
    resources.store.clear()
    resources.store.update(before)
    return shown


def _prorations(subscription: Subscription, plan: Plan, at: int) -> list[Json]:
    start, end = subscription.current_period_start, subscription.current_period_end
    left = max(0.0, min(1.0, (end - at) / (end - start)))
    return [
        {
            "customer": subscription.customer,
            "subscription": subscription.id,
            "plan": one.id,
            "amount": round(sign * one.amount * left),
            "currency": one.currency,
            "period_start": at,
            "period_end": end,
            "proration": True,
            "description": f"{words} on {one.name}",
        }
        for sign, one, words in (
            (-1, subscription.plan, "Unused time"),
            (1, plan, "Remaining time"),
        )
    ]


def _apply(subscription: Subscription, plan_id: str) -> None:
    subscription._pending = None
    subscription.items._list = [SubscriptionItem(subscription=subscription.id, plan=plan_id)]


def _invoice_of(subscription: Subscription, items: list[Any], reason: str) -> Invoice:
    """Make an invoice, take credit into account, and try to have it paid."""
    invoice = Invoice(customer=subscription.customer, subscription=subscription.id, items=items)
    invoice.billing_reason = reason
    invoice._finalize()
    customer = Customer._api_retrieve(subscription.customer)
    customer.account_balance = invoice.ending_balance
    if invoice.status == "open":
        Invoice._api_pay_invoice(invoice.id)
    else:
        invoice._on_payment_success()
    return invoice


# --- Time ------------------------------------------------------------------------------------
def renew(subscription: Subscription) -> None:
    """End the period: bill the next one, or end the subscription if that was asked for."""
    if subscription.status not in ("active", "past_due"):
        raise UserError(400, "This subscription does not renew")
    if subscription.cancel_at_period_end:
        Subscription._api_delete(subscription.id)
        return
    subscription.start_date = min(subscription.current_period_end, int(time.time()))
    # Pending invoice items come along by themselves.
    invoice = _invoice_of(subscription, subscription.items._list, "subscription_cycle")
    if invoice.status != "paid":
        subscription.status = "past_due"
        schedule_webhook(Event("invoice.payment_failed", invoice))
    schedule_webhook(Event("customer.subscription.updated", subscription))


def renew_due() -> bool:
    """Renew what is due by the clock; say whether anything was."""
    due = [
        one
        for key, one in list(resources.store.items())
        if key.startswith("subscription:")
        and one.status == "active"
        and one.current_period_end <= time.time()
    ]
    for subscription in due:
        renew(subscription)
    return bool(due)
