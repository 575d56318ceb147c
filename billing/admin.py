"""What our staff sees of how an account pays, and does about it. Never the card or the address."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from accounts.models import Account, User
from accounts.support.desk import FINDERS, MOST_FOUND, Act, CannotAct, Choices, Done, Panel, offer
from accounts.support.duties import Power
from billing.models import BillingAccount, Status
from billing.services import changes, purchase
from billing.standing import is_on_trial, plan_in_force
from llmcost import clock

CUSTOMER_PREFIX = "cus_"
# By how many days a trial can be made longer at a time.
LONGER_DAYS = (7, 14, 30)


def by_stripe_customer(text: str) -> Iterable[int]:
    """Find the account of a Stripe customer."""
    if not text.startswith(CUSTOMER_PREFIX):
        return []
    paying = BillingAccount.objects.filter(stripe_customer_id=text)
    return paying.values_list("account_id", flat=True)[:MOST_FOUND]


FINDERS.append(by_stripe_customer)


def _standing(account_id: int) -> BillingAccount:
    # Named one by one: card and address are closed to staff by the database.
    row = BillingAccount.objects.filter(account_id=account_id).only(
        *("plan", "status", "stripe_customer_id", "period_end", "trial_until"),
        *("cancel_at_period_end", "past_due_since"),
    )
    return row.first() or BillingAccount(account_id=account_id)


def _plan(account_id: int) -> dict[str, Any]:
    billing, now = _standing(account_id), clock.now()
    return {
        "billing": billing,
        "plan": plan_in_force(billing, now),
        "is_on_trial": is_on_trial(billing, now),
    }


def _longer(account_id: int) -> Choices:
    billing = _standing(account_id)
    had_trial = billing.trial_until is not None and billing.status == Status.NONE
    return [(str(days), f"{days} days") for days in LONGER_DAYS] if had_trial else []


def _extend_trial(account: Account, target: str, _by: User) -> Done:
    until = purchase.extend_trial(account, timedelta(days=int(target)))
    if until is None:
        raise CannotAct("This account has no trial to extend.")
    return Done(subject=f"until {until:%-d %b %Y}")


def _cancelable(account_id: int) -> Choices:
    billing = _standing(account_id)
    runs = billing.status in (Status.ACTIVE, Status.PAST_DUE) and not billing.cancel_at_period_end
    return [("period", "at the end of the period that is paid")] if runs else []


def _cancel(account: Account, _target: str, by: User) -> Done:
    changes.cancel(account, by=by)
    return Done()


offer(
    Panel(
        title="Plan",
        template="admin/panels/plan.html",
        power=Power.READ_BILLING,
        context=_plan,
    ),
    Act(
        name="trial",
        label="Extend the trial",
        explains="From today, or from its end where that is still ahead.",
        action="support.trial_extended",
        power=Power.CHANGE_BILLING,
        choices=_longer,
        choice_label="By how long",
        run=_extend_trial,
    ),
    Act(
        name="cancellation",
        label="Cancel the subscription",
        explains="It ends with its period; the customer can take that back until then.",
        action="support.subscription_canceled",
        power=Power.CHANGE_BILLING,
        choices=_cancelable,
        choice_label="When",
        run=_cancel,
    ),
)
