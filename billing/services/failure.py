"""When a payment fails: mails, days of grace, read-only, and back the moment it is paid."""

import logging
from datetime import datetime, timedelta

from accounts import audit
from accounts.models import Account, User
from accounts.rights import RIGHTS, Right
from billing.errors import CardDeclined
from billing.standing import GRACE, lift_suspension, standing_of
from billing.stripe import checkout
from billing.stripe.record import record
from llmcost import clock, outbox
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant

logger = logging.getLogger(__name__)

# Days after the failure on which the payers are told; the last one is told of being read-only.
REMINDERS = (timedelta(0), timedelta(days=4), timedelta(days=8))
# Work of `llmcost.tenancy.due`: a payment is overdue.
PAYMENT = "payment"
LOOK_EVERY, LEASE = timedelta(hours=1), timedelta(minutes=5)
SETTLED = timedelta(days=30)


def look_after_overdue() -> int:
    """Remind and suspend whom it is time for; return how many accounts were looked at."""
    looked_at = 0
    for turn in due.turns(PAYMENT, lease=LEASE):
        # Settled accounts keep their row: the next failure brings it forward.
        is_open = look_after(turn.account_id)
        turn.end(clock.now() + (LOOK_EVERY if is_open else SETTLED))
        looked_at += 1
    return looked_at


def look_after(account_id: int) -> bool:
    """Do what an overdue payment asks for today, once however often this runs; False if settled."""
    now = clock.now()
    with tenant(account_id):
        billing = standing_of(account_id)
        since = billing.past_due_since
        if since is None:
            return False
        if now >= since + GRACE:
            _suspend(account_id, now, since)
        else:
            passed = [days for days in REMINDERS if since + days <= now]
            tell_payers(
                account_id,
                "billing/email/payment_failed",
                {"read_only_at": since + GRACE},
                once=f"payment-failed:{since:%Y%m%d%H%M%S}:{passed[-1].days}",
            )
    return True


def pay_overdue(account: Account, *, by: User) -> checkout.Payment | None:
    """Pay what is overdue with the account's card; None if nothing is.

    Raises CardDeclined; what needs the holder's confirmation is left for them to confirm.
    """
    with tenant(account.pk):
        billing = standing_of(account.pk)
        is_suspended = Account.objects.filter(pk=account.pk, suspended_at__isnull=False).exists()
    if billing.past_due_since is None and not is_suspended:
        return None
    found = []
    payment = None
    if invoice := checkout.open_invoice(billing.stripe_customer_id):
        payment = checkout.pay(invoice)
        if payment.needs_confirmation:
            return payment
        if not payment.is_paid:
            raise CardDeclined
        found.append(payment.invoice)
    if billing.stripe_subscription_id:
        found.append(checkout.subscription(billing.stripe_subscription_id))
    with tenant(account.pk):
        after = record(account.pk, *found)
        if payment is not None:
            audit.record(account.pk, "billing.overdue_paid", by=by)
        if after.past_due_since is None:
            lift_suspension(account.pk, by=by)
    return payment


def tell_payers(account_id: int, template: str, context: dict[str, object], *, once: str) -> None:
    """Mail everybody who may pay, once for `once`; inside the account's context."""
    account = Account.objects.get(pk=account_id)
    payers = account.memberships.filter(role__in=RIGHTS[Right.MANAGE_BILLING])
    for member in payers.select_related("user"):
        outbox.post(
            template,
            member.user.email,
            {"user": member.user, "account": account, **context},
            account_id=account_id,
            once=f"{once}:{account_id}:{member.user_id}",
        )


def _suspend(account_id: int, now: datetime, since: datetime) -> None:
    suspended = Account.objects.filter(pk=account_id, suspended_at=None).update(suspended_at=now)
    if suspended:
        audit.record(account_id, "billing.suspended", by=None)
        logger.info("account_suspended", extra={"account": account_id})
        tell_payers(
            account_id,
            "billing/email/read_only",
            {},
            once=f"read-only:{since:%Y%m%d%H%M%S}",
        )
