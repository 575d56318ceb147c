"""Another plan, the end of one, and what an account that closes leaves at Stripe."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts import audit
from accounts.models import Account, User
from billing.errors import CardDeclined, PaymentFailing, PlanNotPossible, StripeUnavailable
from billing.models import BillingAccount, Status
from billing.plans import PLANS, Plan, dollars
from billing.standing import IN_FORCE, standing_of
from billing.stripe import checkout
from billing.stripe.record import record
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant

# Work of `llmcost.tenancy.due`: the account was closed, so its subscription is to end.
CLOSING = "closing_subscription"
LEASE = timedelta(minutes=5)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice."""

    text: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change of plan costs at a moment; a negative total is credit for later invoices."""

    lines: list[Line]
    total: Decimal

    @property
    def credit(self) -> Decimal:
        """What later invoices are less by."""
        return max(Decimal(0), -self.total)


def preview_change(account: Account, plan: Plan, *, at: datetime) -> Preview:
    """Ask Stripe what moving to another plan at this moment costs.

    Raises PaymentFailing, PlanNotPossible.
    """
    current = _changeable(account, plan)
    invoice = checkout.preview_change(current, plan, at=at)
    lines = [Line(one["description"], dollars(one["amount"])) for one in invoice["lines"]["data"]]
    return Preview(lines, sum((line.amount for line in lines), Decimal(0)))


def change_plan(account: Account, plan: Plan, *, at: datetime, by: User) -> checkout.Payment:
    """Move the account to another plan as it was shown for that moment, once.

    The answer may need the holder's confirmation; until then, and when the bank says no
    (CardDeclined), the old plan stays and nothing is owed.
    """
    current = _changeable(account, plan)
    subscription = checkout.change_plan(current, plan, at=at, public_id=account.public_id)
    payment = checkout.payment_of(subscription["latest_invoice"])
    if not payment.is_paid and not payment.needs_confirmation:
        checkout.drop_invoice(payment.invoice["id"])
        raise CardDeclined
    with tenant(account.pk):
        before = BillingAccount.objects.select_for_update().get(account_id=account.pk).plan
        after = record(account.pk, subscription, payment.invoice).plan
        if after != before:
            audit.record(account.pk, "billing.plan_changed", by=by, plan=after, before=before)
    return payment


def cancel(account: Account, *, by: User) -> None:
    """Let the subscription end with its period. Raises PlanNotPossible if there is none."""
    _set_cancellation(account, at_period_end=True, by=by, action="billing.plan_canceled")


def resume(account: Account, *, by: User) -> None:
    """Let a canceled subscription go on. Raises PlanNotPossible once it has ended."""
    _set_cancellation(account, at_period_end=False, by=by, action="billing.plan_resumed")


def end_closed() -> int:
    """End the subscriptions of accounts that were closed; return how many were looked at.

    While Stripe is away they stay due: the lease brings them back.
    """
    looked_at = 0
    for turn in due.turns(CLOSING, lease=LEASE):
        looked_at += 1
        with suppress(StripeUnavailable):
            end_at_stripe(turn.account_id)
            turn.end(NEVER)
    return looked_at


def end_at_stripe(account_id: int) -> None:
    """End the subscription of an account that was closed; nothing happens without one."""
    with tenant(account_id):
        billing = BillingAccount.objects.filter(account_id=account_id).first()
    if billing is None or billing.status not in IN_FORCE | {Status.INCOMPLETE}:
        return
    ended = checkout.end_subscription(billing.stripe_subscription_id)
    with tenant(account_id):
        if ended is not None:
            record(account_id, ended)
            audit.record(account_id, "billing.plan_ended", by=None, plan=billing.plan)


def _set_cancellation(account: Account, *, at_period_end: bool, by: User, action: str) -> None:
    with tenant(account.pk):
        billing = standing_of(account.pk)
    if billing.status not in (Status.ACTIVE, Status.PAST_DUE):
        raise PlanNotPossible
    if billing.cancel_at_period_end == at_period_end:
        return
    subscription = checkout.set_cancellation(
        billing.stripe_subscription_id, at_period_end=at_period_end
    )
    with tenant(account.pk):
        record(account.pk, subscription)
        audit.record(account.pk, action, by=by, plan=billing.plan)


def _changeable(account: Account, plan: Plan) -> dict[str, Any]:
    """Return the account's subscription if it can move to `plan` now."""
    with tenant(account.pk):
        billing = standing_of(account.pk)
    if billing.past_due_since is not None:
        raise PaymentFailing
    if billing.status != Status.ACTIVE or PLANS[billing.plan] == plan:
        raise PlanNotPossible
    subscription = checkout.subscription(billing.stripe_subscription_id)
    if subscription["status"] == Status.PAST_DUE:
        raise PaymentFailing
    if subscription.get("pending_update"):  # begun before, and left at the bank's question
        checkout.drop_invoice(subscription["latest_invoice"])
    return subscription
