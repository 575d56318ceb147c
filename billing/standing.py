"""How an account stands: which plan it may use now, and whether a payment is overdue.

`billing_account` is the one place that pages and quotas read; `billing.stripe.record` writes it
from whatever Stripe answers.
"""

from datetime import datetime, timedelta

from django.conf import settings

from accounts import audit
from accounts.models import Account, User
from billing.models import BillingAccount, Status
from billing.plans import FREE, PLANS, SELF_HOSTED, TEAM, Plan
from billing.stripe import client
from billing.stripe.record import OWING
from llmcost import clock

# Of a subscription in one of these the plan may be used.
IN_FORCE = frozenset({Status.ACTIVE, Status.TRIALING, *OWING})
# From a failed payment until the account can only be looked at.
GRACE = timedelta(days=10)


def standing_of(account_id: int) -> BillingAccount:
    """Return how an account stands, inside its context; without a row it has the free plan."""
    row = BillingAccount.objects.filter(account_id=account_id).first()
    return row or BillingAccount(account_id=account_id)


def row_of(account_id: int) -> BillingAccount:
    """Return the account's row, made if it has none, for whoever is about to write it."""
    return BillingAccount.objects.get_or_create(account_id=account_id)[0]


def plan_in_force(billing: BillingAccount, at: datetime) -> Plan:
    """Return the plan that the account may use at this moment.

    Where a company runs this for itself there is nothing to buy and no limit.
    """
    if settings.SELF_HOSTED:
        return SELF_HOSTED
    if is_bought(billing) and not is_past_grace(billing, at):
        return PLANS[billing.plan]
    return TEAM if is_on_trial(billing, at) else FREE


def members_of_plan(account_id: int) -> int | None:
    """Return how many members the account may have; None is as many as it likes."""
    if not client.is_on():
        return None
    return plan_in_force(standing_of(account_id), clock.now()).members


def is_bought(billing: BillingAccount) -> bool:
    """Whether there is a subscription that has begun and not ended."""
    return billing.status in IN_FORCE


def is_on_trial(billing: BillingAccount, at: datetime) -> bool:
    """Whether the account tries a plan that it has not bought."""
    return billing.trial_until is not None and billing.trial_until > at


def is_past_grace(billing: BillingAccount, at: datetime) -> bool:
    """Whether a payment has been overdue for too long."""
    return billing.past_due_since is not None and billing.past_due_since + GRACE <= at


def lift_suspension(account_id: int, *, by: User | None) -> None:
    """Let a suspended account be changed again, inside its context; others stay as they are."""
    lifted = Account.objects.filter(pk=account_id, suspended_at__isnull=False).update(
        suspended_at=None
    )
    if lifted:
        audit.record(account_id, "billing.suspension_lifted", by=by)
