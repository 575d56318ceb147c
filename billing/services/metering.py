"""What is used of a plan: where an account stops, warnings, and what is billed beyond.

One look at an account does all of it and may be repeated at any time; `llmcost.tenancy.due` says
when the next one is due: soon after calls were folded, and when something ends.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from accounts import audit
from accounts.models import Account
from billing.errors import StripeUnavailable
from billing.models import AtLimit, BillingAccount, Overage
from billing.plans import CURRENCY, PLANS, Plan
from billing.quotas import Usage, month_of, usage_of
from billing.services.failure import tell_payers
from billing.standing import GRACE, is_bought, plan_in_force, standing_of
from billing.stripe import checkout, client
from events.ingest.quota import COUNTED, stop_at
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant

logger = logging.getLogger(__name__)

WARN_AT = (100, 80)  # per cent of the included events, the more urgent first
# A month is billed so long after its end: what was sent late is in it by then.
CLOSES_AFTER = timedelta(days=3)
LEASE, AT_THE_LATEST = timedelta(minutes=5), timedelta(days=30)


def look_at_due() -> int:
    """Look at the accounts whose time has come; return how many."""
    looked_at = 0
    for turn in due.turns(COUNTED, lease=LEASE):
        looked_at += 1
        with suppress(StripeUnavailable):  # the lease brings it back
            look(turn.account_id)
            turn.end(next_look(turn.account_id))
    return looked_at


def look(account_id: int) -> None:
    """Set where the account stops, warn of the limit, bill what was used beyond it."""
    now = clock.now()
    with tenant(account_id):
        billing = standing_of(account_id)
        plan = plan_in_force(billing, now)
        set_limit(billing, now)
        if client.is_on():
            _warn(account_id, usage_of(account_id, plan, now), billing)
    bill_closed_month(account_id)


def set_limit(billing: BillingAccount, now: datetime) -> None:
    """Have the account stop at what its plan includes, or go on; inside its context.

    Where nothing is sold nobody stops.
    """
    plan = plan_in_force(billing, now)
    stops = client.is_on() and plan.events is not None and not _pays_for_more(billing, plan)
    stop_at(billing.account_id, plan.events if stops else None)


def next_look(account_id: int) -> datetime:
    """Return when something changes by itself: a trial or grace ends, a month can be billed."""
    now = clock.now()
    with tenant(account_id):
        billing = standing_of(account_id)
    start, end = month_of(now)
    moments = [
        now + AT_THE_LATEST,
        start + CLOSES_AFTER,
        end + CLOSES_AFTER,
        billing.trial_until,
        billing.past_due_since and billing.past_due_since + GRACE,
    ]
    return min(moment for moment in moments if moment is not None and moment > now)


def bill_closed_month(account_id: int) -> Decimal:
    """Bill what the account used beyond its plan in the month before this one; return how much.

    Once for an account and month, whatever is repeated: the row is written before Stripe is
    asked, and Stripe is asked under one key. What arrives for the month later is not billed.
    """
    now = clock.now()
    this_month, _ = month_of(now)
    if not client.is_on() or now < this_month + CLOSES_AFTER:
        return Decimal(0)
    row = _overage_row(account_id, this_month - timedelta(days=1))
    if row is None or row.stripe_item_id:
        return Decimal(0)
    with tenant(account_id):
        account = Account.objects.get(pk=account_id)
        customer = standing_of(account_id).stripe_customer_id
    item = checkout.add_overage(
        customer,
        account.public_id,
        amount=row.amount,
        events=row.used_events - row.included_events,
        plan=row.plan,
        start=row.period_start,
        end=row.period_end,
    )
    with tenant(account_id):
        billed = Overage.objects.filter(pk=row.pk, account_id=account_id, stripe_item_id="").update(
            stripe_item_id=item
        )
        if billed:
            audit.record(
                account_id,
                "billing.overage_billed",
                by=None,
                subject=f"{row.period_start:%Y-%m}",
                events=row.used_events - row.included_events,
                amount=str(row.amount),
            )
    return row.amount


def _overage_row(account_id: int, at: datetime) -> Overage | None:
    """Return the row of the month of `at`, made if there is something to bill in it."""
    start, end = month_of(at)
    with tenant(account_id):
        billing = standing_of(account_id)
        found = Overage.objects.filter(account_id=account_id, period_start=start).first()
        if found is not None:
            return found
        plan = plan_in_force(billing, clock.now())
        if not _pays_for_more(billing, plan) or not billing.stripe_customer_id:
            return None
        used, included = usage_of(account_id, plan, at).used, _included(billing, plan, clock.now())
        amount = plan.overage(used - included)
        if not amount:
            return None
        made, _ = Overage.objects.get_or_create(
            account_id=account_id,
            period_start=start,
            defaults={
                "period_end": end,
                "plan": plan.code,
                "included_events": included,
                "used_events": used,
                "currency": CURRENCY,
                "amount": amount,
            },
        )
    return made


def remember_larger(billing: BillingAccount, left: str) -> None:
    """Let whoever moves to a smaller plan keep what the larger one included, for this month."""
    now = clock.now()
    if (PLANS[left].events or 0) <= (PLANS[billing.plan].events or 0):
        return
    _, end = month_of(now)
    BillingAccount.objects.filter(account_id=billing.account_id).update(
        larger_plan=left, larger_until=end + CLOSES_AFTER
    )


def _included(billing: BillingAccount, plan: Plan, now: datetime) -> int:
    left = billing.larger_until is not None and billing.larger_until >= now
    larger = PLANS[billing.larger_plan].events if left else 0
    return max(plan.events or 0, larger or 0)


def _pays_for_more(billing: BillingAccount, plan: Plan) -> bool:
    return billing.at_limit == AtLimit.PAY and plan.overage_usd is not None and is_bought(billing)


def _warn(account_id: int, usage: Usage, billing: BillingAccount) -> None:
    """Tell the payers once a month that 80 %, and that 100 % are used."""
    reached = next((mark for mark in WARN_AT if usage.per_cent >= mark), None)
    if reached is None:
        return
    tell_payers(
        account_id,
        "billing/email/limit_reached" if reached >= 100 else "billing/email/limit_near",
        {"usage": usage, "pays": billing.at_limit == AtLimit.PAY and is_bought(billing)},
        once=f"quota:{reached}:{usage.start:%Y-%m}",
    )
