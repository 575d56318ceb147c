"""What follows when something has changed elsewhere: at Stripe, or with the account itself."""

from datetime import timedelta
from typing import Any

from accounts.models import Account
from billing.models import BillingAccount, Status
from billing.services.changes import CLOSING
from billing.services.failure import PAYMENT
from billing.services.metering import remember_larger, set_limit
from billing.standing import lift_suspension, row_of, standing_of
from billing.stripe.record import Standing
from events.ingest.quota import COUNTED
from llmcost import clock
from llmcost.tenancy import due

# How long the demo workspace of somebody's own machine has more than the free plan.
DEMO_TRIAL = timedelta(days=365)


def follow_standing(
    *, row: BillingAccount, before: Standing, after: Standing, **_signal: Any
) -> None:
    """Stop where the new plan says; look after a payment that has failed; open what is paid.

    A subscription that ended unpaid opens nothing; paying its invoice does.
    """
    remember_larger(row, before.plan)
    set_limit(row, clock.now())
    due.schedule(COUNTED, row.account_id, clock.now() + timedelta(minutes=1))
    if after.past_due_since is not None:
        due.schedule(PAYMENT, row.account_id, clock.now())
    elif after.status in (Status.ACTIVE, Status.TRIALING):
        lift_suspension(row.account_id, by=None)


def follow_opening(*, account: Account, **_signal: Any) -> None:
    """Give a new account the free plan and its limit."""
    set_limit(standing_of(account.pk), clock.now())


def follow_closing(*, account: Account, **_signal: Any) -> None:
    """Have the subscription of a closed account ended; the worker does it, Stripe may be away."""
    due.schedule(CLOSING, account.pk, clock.now())


def follow_demo(*, account_id: int, **_signal: Any) -> None:
    """Let the demo workspace go on beyond the free plan, and still buy one."""
    billing = row_of(account_id)
    if billing.trial_until is None:
        billing.trial_until = clock.now() + DEMO_TRIAL
        billing.save(update_fields=["trial_until"])
        set_limit(billing, clock.now())
