"""From a free account to a paid one: the trial, the card, the first payment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts import audit
from accounts.errors import AccountReadOnly
from accounts.models import Account, User
from billing.errors import CardDeclined, PlanNotPossible
from billing.models import BillingAccount, Status
from billing.plans import TEAM, TRIAL_DAYS, Plan
from billing.services.metering import set_limit
from billing.standing import IN_FORCE, row_of, standing_of
from billing.stripe import checkout
from billing.stripe.record import record
from events.ingest.quota import COUNTED
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What stands on invoices, as Stripe names its lines."""

    line1: str
    line2: str
    postal_code: str
    city: str
    state: str
    country: str

    def lines(self) -> dict[str, str]:
        """Return the lines by their names, empty ones too, so that they replace what was there."""
        return {name: getattr(self, name) for name in self.__slots__}


def start_trial(account: Account, *, by: User) -> bool:
    """Give the account the Team plan for some days, once; False if it had its trial.

    Our own matter: no card is asked for, so there is nothing at Stripe yet.
    """
    with tenant(account.pk):
        _refuse_closed(account)
        row_of(account.pk)
        started = BillingAccount.objects.filter(
            account_id=account.pk, trial_until=None, status=Status.NONE
        ).update(trial_until=clock.now() + timedelta(days=TRIAL_DAYS))
        if started:
            set_limit(standing_of(account.pk), clock.now())
            due.schedule(COUNTED, account.pk, clock.now() + timedelta(days=TRIAL_DAYS))
            audit.record(account.pk, "billing.trial_started", by=by, plan=TEAM.code)
    return bool(started)


def extend_trial(account: Account, length: timedelta) -> datetime | None:
    """Let a trial last longer, or go on once it is over; None for an account that has had none or
    has bought. Inside the account's context, where whoever calls writes it into the trail.
    """
    billing = BillingAccount.objects.select_for_update().filter(account_id=account.pk).first()
    if billing is None or billing.trial_until is None or billing.status != Status.NONE:
        return None
    billing.trial_until = max(billing.trial_until, clock.now()) + length
    billing.save(update_fields=["trial_until"])
    set_limit(billing, clock.now())
    due.schedule(COUNTED, account.pk, billing.trial_until)
    return billing.trial_until


def begin_card(account: Account, *, by: User) -> str:
    """Begin to take a card; return the secret that lets Stripe's script go on."""
    return checkout.begin_card(_customer_of(account, by=by))


def save_address(account: Account, *, name: str, address: Address, by: User) -> None:
    """Have invoices carry this address from now on, and keep it for the pages."""
    customer = checkout.set_address(
        _customer_of(account, by=by), name=name, address=address.lines()
    )
    with tenant(account.pk):
        before = standing_of(account.pk).billing_address
        if record(account.pk, customer).billing_address != before:
            audit.record(account.pk, "billing.address_changed", by=by)


def save_tax_id(account: Account, *, kind: str, value: str, by: User) -> None:
    """Have invoices carry this VAT id (empty: none). We do not keep it. Raises TaxIdRefused."""
    if checkout.set_tax_id(_customer_of(account, by=by), kind, value):
        with tenant(account.pk):
            audit.record(account.pk, "billing.tax_id_changed", by=by)


def use_card(account: Account, setup_intent: str, *, by: User) -> checkout.Card:
    """Pay with the card that was just confirmed; what is overdue is paid with it at once.

    Raises CardNotUsable, CardDeclined.
    """
    customer = _customer_of(account, by=by)
    card = checkout.confirmed_card(customer, setup_intent)
    checkout.use_card(customer, card)
    with tenant(account.pk):
        changed = (
            BillingAccount.objects.filter(account_id=account.pk)
            .exclude(card_last4=card.last4)
            .update(card_last4=card.last4)
        )
        if changed:
            audit.record(account.pk, "billing.card_changed", by=by, last4=card.last4)
    return card


def buy(account: Account, plan: Plan, *, occasion: str, by: User) -> checkout.Payment:
    """Subscribe the account and charge its first month.

    `occasion` is the same for repeats of one purchase. Raises PlanNotPossible if a plan has been
    bought already, CardDeclined if the bank says no; then nothing stays behind. The answer may
    need the holder's confirmation, and until then the plan is as it was.
    """
    billing = _prepare(account)
    subscription = checkout.subscribe(
        billing.stripe_customer_id, plan, account.public_id, occasion=occasion
    )
    payment = checkout.payment_of(subscription["latest_invoice"])
    if not payment.is_paid and not payment.needs_confirmation:
        _give_up(account, subscription, payment)
        raise CardDeclined
    _record(account, subscription, payment, by=by)
    return payment


def waiting_payment(account: Account) -> checkout.Payment | None:
    """Return the payment that the card's holder has to confirm; None if there is none."""
    with tenant(account.pk):
        billing = standing_of(account.pk)
    if not billing.stripe_subscription_id:
        return None
    invoice = checkout.subscription(billing.stripe_subscription_id)["latest_invoice"]
    payment = checkout.payment_of(invoice)
    return payment if payment.needs_confirmation else None


def confirm_payment(account: Account, *, by: User) -> checkout.Payment | None:
    """Look at what the holder's bank has decided; None if nothing waits to be paid.

    Raises CardDeclined when it has said no: then neither a purchase nor a change stays behind.
    """
    with tenant(account.pk):
        billing = standing_of(account.pk)
    if not billing.stripe_subscription_id:
        return None
    subscription = checkout.subscription(billing.stripe_subscription_id)
    payment = checkout.payment_of(subscription["latest_invoice"])
    if payment.needs_confirmation:
        return payment
    if not payment.is_paid:
        _give_up(account, subscription, payment)
        raise CardDeclined
    _record(account, subscription, payment, by=by)
    return payment


def _record(
    account: Account, subscription: dict[str, Any], payment: checkout.Payment, *, by: User
) -> None:
    """Write down how it went; the audit line once, however many have asked at the same time."""
    with tenant(account.pk):
        before = BillingAccount.objects.select_for_update().get(account_id=account.pk)
        after = record(account.pk, subscription, payment.invoice)
        if not payment.is_paid:
            return
        if before.status not in IN_FORCE:
            audit.record(account.pk, "billing.plan_bought", by=by, plan=after.plan)
        elif before.plan != after.plan:
            audit.record(
                account.pk, "billing.plan_changed", by=by, plan=after.plan, before=before.plan
            )


def _give_up(account: Account, subscription: dict[str, Any], payment: checkout.Payment) -> None:
    """Leave nothing of a purchase, or of a change of plan, that the bank has refused."""
    if subscription["status"] == Status.INCOMPLETE:
        subscription = checkout.end_subscription(subscription["id"]) or subscription
    elif subscription.get("pending_update"):
        checkout.drop_invoice(payment.invoice["id"])
        subscription = checkout.subscription(subscription["id"])
    record(account.pk, subscription)


def _prepare(account: Account) -> BillingAccount:
    """Return the account's row if it may buy; end a purchase that was begun and left."""
    with tenant(account.pk):
        _refuse_closed(account)
        billing = standing_of(account.pk)
    if billing.status in IN_FORCE:
        raise PlanNotPossible
    if billing.status == Status.INCOMPLETE:
        ended = checkout.end_subscription(billing.stripe_subscription_id)
        if ended is not None:
            record(account.pk, ended)
    return billing


def _customer_of(account: Account, *, by: User) -> str:
    """Return the account's customer at Stripe, made with the first card or address."""
    with tenant(account.pk):
        _refuse_closed(account)
        billing = row_of(account.pk)
    if billing.stripe_customer_id:
        return billing.stripe_customer_id
    customer = checkout.make_customer(account.public_id, name=account.name, email=by.email)
    with tenant(account.pk):
        BillingAccount.objects.filter(account_id=account.pk, stripe_customer_id="").update(
            stripe_customer_id=customer
        )
    return customer


def _refuse_closed(account: Account) -> None:
    if Account.objects.filter(pk=account.pk, closed_at__isnull=False).exists():
        raise AccountReadOnly(closed=True)
