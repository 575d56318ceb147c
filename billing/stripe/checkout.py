"""What we ask of Stripe when somebody buys: each call once, whatever is repeated.

Every write carries an idempotency key made from what it is for, so that a second click, a retry
after a lost answer and two browser tabs are one purchase. The library is imported when a process
first sells something: it takes 14 MB and half a second, and most processes never do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from types import ModuleType
from typing import Any
from uuid import UUID

from billing.errors import (
    CardDeclined,
    CardNotUsable,
    NothingToBuy,
    PlanNotPossible,
    StripeUnavailable,
    TaxIdRefused,
)
from billing.plans import CURRENCY, Plan, cents, dollars
from billing.stripe import client
from llmcost.errors import NotFound

Json = dict[str, Any]


@contextmanager
def _asking() -> Iterator[ModuleType]:
    """Give Stripe's library, and turn its failures into ours; none quotes what was sent."""
    if not client.is_on():
        raise NothingToBuy
    stripe = client.api()
    try:
        yield stripe
    except stripe.CardError as error:
        raise CardDeclined from error
    except stripe.IdempotencyError as error:  # the same purchase, begun from another page
        raise PlanNotPossible from error
    except stripe.InvalidRequestError:
        raise  # a mistake of ours, unless the caller expects it
    except stripe.StripeError as error:
        raise StripeUnavailable from error


# --- What is sold ----------------------------------------------------------------------------
def price_of(plan: Plan) -> str:
    """Return the id of a plan's price, making product and price where Stripe has none yet."""
    with _asking() as stripe:
        found = stripe.Price.list(lookup_keys=[plan.lookup_key], limit=1).data
        if found:
            return str(found[0].id)
        try:
            product = stripe.Product.retrieve(f"llmcost_{plan.code}")
        except stripe.InvalidRequestError:
            product = stripe.Product.create(
                id=f"llmcost_{plan.code}",
                name=f"LLM Cost Tracker {plan.name}",
                metadata={"plan": plan.code},
                idempotency_key=f"product:{plan.code}",
            )
        price = stripe.Price.create(
            product=product.id,
            unit_amount=cents(plan.monthly_usd),
            currency=CURRENCY,
            recurring={"interval": "month"},
            lookup_key=plan.lookup_key,
            metadata={"plan": plan.code},
            idempotency_key=f"price:{plan.lookup_key}",
        )
        return str(price.id)


# --- Who buys --------------------------------------------------------------------------------
def make_customer(public_id: UUID, *, name: str, email: str) -> str:
    """Make the customer of an account, once; return its id."""
    with _asking() as stripe:
        customer = stripe.Customer.create(
            name=name,
            email=email,
            metadata={"account": str(public_id)},
            idempotency_key=f"customer:{public_id}",
        )
        return str(customer.id)


def delete_customer(customer: str) -> None:
    """Have Stripe forget a customer: name, addresses, cards; a subscription ends, invoices stay.

    One that Stripe does not have, or has deleted before, is deleted.
    """
    with _asking() as stripe:
        try:
            stripe.Customer.delete(customer)
        except stripe.InvalidRequestError as error:
            if error.http_status != HTTPStatus.NOT_FOUND:
                raise


def set_address(customer: str, *, name: str, address: Mapping[str, str]) -> Json:
    """Have invoices carry this name and address; return the customer."""
    with _asking() as stripe:
        return plain(stripe.Customer.modify(customer, name=name, address=dict(address)))


def tax_id_of(customer: str) -> str:
    """Return the VAT id that stands on invoices; empty if there is none. We do not keep it."""
    with _asking() as stripe:
        found = stripe.Customer.list_tax_ids(customer).data
        return str(found[0].value) if found else ""


def set_tax_id(customer: str, kind: str, value: str) -> bool:
    """Have invoices carry this VAT id alone (empty: none); say whether that changed anything.

    Raises TaxIdRefused.
    """
    with _asking() as stripe:
        before = stripe.Customer.list_tax_ids(customer).data
        if value and value not in [one.value for one in before]:
            try:
                stripe.Customer.create_tax_id(customer, type=kind, value=value)
            except stripe.InvalidRequestError as error:
                raise TaxIdRefused from error
        for one in before:
            if one.value != value:
                stripe.Customer.delete_tax_id(customer, one.id)
    return [one.value for one in before] != ([value] if value else [])


# --- Cards -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Card:
    """A card that its holder has confirmed: all that we ever learn of it."""

    payment_method: str
    last4: str


def begin_card(customer: str) -> str:
    """Begin to take a card; return the secret with which Stripe's script goes on."""
    with _asking() as stripe:
        intent = stripe.SetupIntent.create(
            customer=customer, usage="off_session", payment_method_types=["card"]
        )
        return str(intent.client_secret)


def confirmed_card(customer: str, setup_intent: str) -> Card:
    """Return the card that was taken. Raises CardNotUsable if it was not, or by another."""
    with _asking() as stripe:
        try:
            intent = stripe.SetupIntent.retrieve(setup_intent, expand=["payment_method"])
        except stripe.InvalidRequestError as error:
            raise CardNotUsable from error
        if intent.customer != customer or intent.status != "succeeded":
            raise CardNotUsable
        return Card(str(intent.payment_method.id), str(intent.payment_method.card.last4))


def use_card(customer: str, card: Card) -> None:
    """Have payments made with this card, and Stripe forget the ones before."""
    with _asking() as stripe:
        stripe.Customer.modify(
            customer, invoice_settings={"default_payment_method": card.payment_method}
        )
        for other in stripe.PaymentMethod.list(customer=customer, type="card").data:
            if other.id != card.payment_method:
                stripe.PaymentMethod.detach(other.id)


# --- Subscriptions ---------------------------------------------------------------------------
def subscribe(customer: str, plan: Plan, public_id: UUID, *, occasion: str) -> Json:
    """Subscribe a customer and charge the first month; `occasion` tells one purchase from another.

    The answer's status is `incomplete` while the bank wants to be asked, or has said no.
    """
    price = price_of(plan)
    with _asking() as stripe:
        subscription = stripe.Subscription.create(
            customer=customer,
            items=[{"price": price}],
            payment_behavior="allow_incomplete",
            off_session=False,
            metadata={"account": str(public_id), "plan": plan.code},
            idempotency_key=f"subscribe:{public_id}:{plan.lookup_key}:{occasion}",
        )
        return plain(subscription)


def subscription(identifier: str) -> Json:
    """Return a subscription as it is now."""
    with _asking() as stripe:
        return plain(stripe.Subscription.retrieve(identifier))


def change_plan(current: Json, plan: Plan, *, at: datetime, public_id: UUID) -> Json:
    """Move a subscription to another plan, billing what is left of the month from `at` on.

    Until the difference is paid the old plan stays (`pending_update` says what waits).
    """
    price = price_of(plan)
    with _asking() as stripe:
        return plain(
            stripe.Subscription.modify(
                current["id"],
                **_change(current, price, at),
                payment_behavior="pending_if_incomplete",
                idempotency_key=f"change:{public_id}:{plan.lookup_key}:{int(at.timestamp())}",
            )
        )


def preview_change(current: Json, plan: Plan, *, at: datetime) -> Json:
    """Return the invoice that `change_plan` would make at that moment."""
    price = price_of(plan)
    with _asking() as stripe:
        return plain(
            stripe.Invoice.create_preview(
                customer=current["customer"],
                subscription=current["id"],
                subscription_details=_change(current, price, at),
            )
        )


def _change(current: Json, price: str, at: datetime) -> Json:
    return {
        "items": [{"id": current["items"]["data"][0]["id"], "price": price}],
        "proration_behavior": "always_invoice",
        "proration_date": int(at.timestamp()),
    }


def set_cancellation(identifier: str, *, at_period_end: bool) -> Json:
    """Have a subscription end with its period, or go on."""
    with _asking() as stripe:
        return plain(stripe.Subscription.modify(identifier, cancel_at_period_end=at_period_end))


def end_subscription(identifier: str) -> Json | None:
    """End a subscription now, without a refund; None if it had ended already."""
    with _asking() as stripe:
        try:
            return plain(stripe.Subscription.cancel(identifier))
        except stripe.InvalidRequestError:
            return None


# --- Payments --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Payment:
    """Where the payment of an invoice stands."""

    invoice: Json
    amount: Decimal
    is_paid: bool
    client_secret: str = ""  # set while the bank wants the holder to confirm

    @property
    def needs_confirmation(self) -> bool:
        """Whether the card's holder has to be asked (3-D Secure)."""
        return bool(self.client_secret)


def payment_of(invoice: str) -> Payment:
    """Return where an invoice's payment stands."""
    with _asking() as stripe:
        found = plain(stripe.Invoice.retrieve(invoice, expand=["payments"]))
        amount, is_paid = dollars(found["amount_remaining"]), found["status"] == "paid"
        attempts = [one["payment"] for one in found["payments"]["data"]]
        intents = [one["payment_intent"] for one in attempts if one.get("payment_intent")]
        if is_paid or not intents:
            return Payment(found, amount, is_paid)
        intent = stripe.PaymentIntent.retrieve(intents[-1])
        waits = intent.status == "requires_action"
        return Payment(found, amount, False, str(intent.client_secret) if waits else "")


def open_invoice(customer: str) -> str:
    """Return the newest invoice that waits to be paid; empty if none does."""
    with _asking() as stripe:
        for one in stripe.Invoice.list(customer=customer, limit=20).data:
            if one.status == "open":
                return str(one.id)
    return ""


def pay(invoice: str) -> Payment:
    """Try to have an invoice paid with the customer's card. Raises CardDeclined."""
    with _asking() as stripe:
        try:
            stripe.Invoice.pay(invoice)
        except stripe.InvalidRequestError:  # paid meanwhile, or void
            pass
        except stripe.CardError as error:
            if error.code != "invoice_payment_intent_requires_action":
                raise
    return payment_of(invoice)


def drop_invoice(invoice: str) -> None:
    """Give up an invoice that nobody paid, and with it the change that waited for it."""
    with _asking() as stripe, suppress(stripe.InvalidRequestError):  # paid or void already
        stripe.Invoice.void_invoice(invoice)


def add_overage(
    customer: str,
    public_id: UUID,
    *,
    amount: Decimal,
    events: int,
    plan: str,
    start: datetime,
    end: datetime,
) -> str:
    """Put what was used beyond a plan on the next invoice, once for a month; return its id."""
    with _asking() as stripe:
        item = stripe.InvoiceItem.create(
            customer=customer,
            amount=cents(amount),
            currency=CURRENCY,
            description=f"{events:,} calls beyond the plan in {start:%B %Y}",
            period={"start": int(start.timestamp()), "end": int(end.timestamp())},
            metadata={
                "account": str(public_id),
                "plan": plan,
                "events": str(events),
                "period_start": start.isoformat(),
            },
            idempotency_key=f"overage:{public_id}:{start:%Y-%m-%d}",
        )
        return str(item.id)


def invoice_page(customer: str, invoice: str) -> str:
    """Return where Stripe shows an invoice. The address opens it for anybody: never keep it."""
    with _asking() as stripe:
        try:
            found = stripe.Invoice.retrieve(invoice)
        except stripe.InvalidRequestError as error:
            raise NotFound from error
        if found.customer != customer or not found.hosted_invoice_url:
            raise NotFound
        return str(found.hosted_invoice_url)


def plain(value: Any) -> Json:
    """Turn an object of the library into dictionaries."""
    return dict(value.to_dict())
