"""How long records of payment stay: invoices as long as tax law says, the mirror not at all.

The law counts from the end of the calendar year, and it counts for accounts that are gone, too:
the row that says when the next records of an account are old stays when the account is purged.
The customer at Stripe does not: what the law wants of it there is Stripe's to keep.
"""

import logging
from datetime import UTC, datetime, timedelta

from django.conf import settings

from billing.models import BillingAccount, DepartedCustomer, Invoice, Overage
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant

logger = logging.getLogger(__name__)

# In `llmcost.tenancy.due`, also of accounts that are gone.
RECORDS = "billing_records"
LEASE = timedelta(hours=1)


def keep_until(at: datetime) -> datetime:
    """Return when a record of this moment may be deleted."""
    return datetime(
        at.astimezone(UTC).year + 1 + settings.BILLING_RETENTION_YEARS, 1, 1, tzinfo=UTC
    )


def note(account_id: int, at: datetime) -> None:
    """Remember that this account has records of this moment; in the transaction that makes them."""
    due.schedule(RECORDS, account_id, keep_until(at))


def kept_until(account_id: int) -> datetime | None:
    """Return when the last record of an account may be deleted, inside its context; None: none."""
    invoices = Invoice.objects.filter(account_id=account_id)
    overages = Overage.objects.filter(account_id=account_id)
    newest = [
        *invoices.order_by("-issued_at").values_list("issued_at", flat=True)[:1],
        *overages.order_by("-period_end").values_list("period_end", flat=True)[:1],
    ]
    return keep_until(max(newest)) if newest else None


def note_departure(account_id: int) -> bool:
    """Have Stripe delete an account's customer soon; say whether there is one not noted yet.

    In the transaction of whoever deletes the account, inside its context.
    """
    billing = BillingAccount.objects.filter(account_id=account_id).first()
    if billing is None or not billing.stripe_customer_id:
        return False
    _, is_new = DepartedCustomer.objects.get_or_create(customer_id=billing.stripe_customer_id)
    return is_new


def forget_due_records() -> int:
    """Delete records that no law wants kept any more; return how many."""
    now, gone = clock.now(), 0
    for turn in due.turns(RECORDS, lease=LEASE):
        deleted, next_at = _forget(turn.account_id, now)
        if next_at is None:
            turn.forget()
        else:
            turn.end(next_at)
        gone += deleted
    if gone:
        logger.info("billing_records_forgotten", extra={"records": gone})
    return gone


def _forget(account_id: int, now: datetime) -> tuple[int, datetime | None]:
    """Delete what is old of one account; return how much, and when more of it will be."""
    begins = datetime(now.astimezone(UTC).year - settings.BILLING_RETENTION_YEARS, 1, 1, tzinfo=UTC)
    with tenant(account_id):
        invoices = Invoice.objects.filter(account_id=account_id)
        overages = Overage.objects.filter(account_id=account_id)
        deleted = invoices.filter(issued_at__lt=begins).delete()[0]
        deleted += overages.filter(period_end__lt=begins).delete()[0]
        left = [
            *invoices.order_by("issued_at").values_list("issued_at", flat=True)[:1],
            *overages.order_by("period_end").values_list("period_end", flat=True)[:1],
        ]
    return deleted, keep_until(min(left)) if left else None
