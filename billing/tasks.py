"""Background work of payment; each task is its service, and safe to repeat.

The services need dj-stripe, which only the worker has, so they are imported when they run: a web
process knows tasks by name.
"""

from celery import shared_task

from billing import retention
from billing.stripe import client


@shared_task(name="billing.tasks.look_after_overdue")
def look_after_overdue() -> None:
    """Remind of overdue payments, and suspend accounts after the days of grace."""
    from billing.services import failure  # noqa: PLC0415 - see above

    failure.look_after_overdue()


@shared_task(name="billing.tasks.meter")
def meter() -> None:
    """Look at what accounts use of their plans."""
    from billing.services import metering  # noqa: PLC0415 - see above

    metering.look_at_due()


@shared_task(name="billing.tasks.end_closed")
def end_closed() -> None:
    """End the subscriptions of accounts that were closed."""
    from billing.services import changes  # noqa: PLC0415 - see above

    if client.is_on():
        changes.end_closed()


@shared_task(name="billing.tasks.work_inbox")
def work_inbox() -> None:
    """Fetch from Stripe what it has announced."""
    from billing.stripe import inbox  # noqa: PLC0415 - see above

    if client.is_on():
        inbox.work()


@shared_task(name="billing.tasks.forget_events")
def forget_events() -> None:
    """Delete announcements of which no repeat can come any more."""
    from billing.stripe import inbox  # noqa: PLC0415 - see above

    inbox.forget()


@shared_task(name="billing.tasks.reconcile_due")
def reconcile_due() -> None:
    """Ask Stripe for the objects of accounts that were not asked for since yesterday."""
    from billing.stripe import reconcile  # noqa: PLC0415 - see above

    if client.is_on():
        reconcile.reconcile_due()


@shared_task(name="billing.tasks.delete_departed")
def delete_departed() -> None:
    """Have Stripe delete the customers whose accounts are gone."""
    from billing.services import departure  # noqa: PLC0415 - see above

    if client.is_on():
        departure.delete_departed()


@shared_task(name="billing.tasks.forget_strangers")
def forget_strangers() -> None:
    """Delete the mirror's copies of customers whose account is gone."""
    from billing.stripe import mirror  # noqa: PLC0415 - see above

    mirror.forget_strangers()


@shared_task(name="billing.tasks.forget_records")
def forget_records() -> None:
    """Delete invoices that no law wants kept any more."""
    retention.forget_due_records()
