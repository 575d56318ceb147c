"""The worker's side of webhooks: take a row, ask Stripe, write, all in one transaction.

A row is leased by moving its time ahead. Whoever is killed meanwhile has written nothing, and the
row comes round again. One that fails every time is given up after `MOST_ATTEMPTS` and shows in
the log and in /readyz.
"""

import logging
from datetime import timedelta

from django.db import connection, transaction

from billing.models import InboxStatus, StripeEvent
from billing.stripe import mirror
from billing.stripe.kinds import kind_of
from billing.stripe.record import account_of, record
from llmcost import clock

logger = logging.getLogger(__name__)

BATCH = 50
LEASE = timedelta(minutes=5)
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=10), timedelta(hours=2)
# About a day of trying; the nightly reconciliation asks for the account's objects anyway.
MOST_ATTEMPTS = 20
# Longer than Stripe repeats an announcement.
KEEP = timedelta(days=60)


def work() -> int:
    """Fetch what is announced; return how many rows are done. Any number of workers may."""
    done = 0
    for _ in range(BATCH):
        event = _take()
        if event is None:
            break
        done += _follow(event)
    return done


def forget() -> None:
    """Delete rows of which no repeat can come any more."""
    old = clock.now() - KEEP
    StripeEvent.objects.exclude(status=InboxStatus.WAITING).filter(due_at__lt=old).delete()


def _take() -> StripeEvent | None:
    """Lease the row that waits longest. Its attempt counts now, in case it kills us."""
    with transaction.atomic():
        event = (
            StripeEvent.objects.select_for_update(skip_locked=True)
            .filter(status=InboxStatus.WAITING, due_at__lte=clock.now())
            .order_by("due_at")
            .first()
        )
        if event is not None:
            event.attempts += 1
            event.due_at = clock.now() + LEASE
            event.save(update_fields=["attempts", "due_at"])
    return event


def _follow(event: StripeEvent) -> bool:
    if event.attempts > MOST_ATTEMPTS:
        return _give_up(event)
    try:
        with transaction.atomic():
            refresh(kind_of(event.type), event.object_id, event.customer_id)
            event.status, event.error = InboxStatus.DONE, ""
            event.save(update_fields=["status", "error"])
    except Exception as error:  # noqa: BLE001 - a poisonous row must not keep the others waiting
        event.status, event.error = InboxStatus.WAITING, type(error).__name__
        event.due_at = clock.now() + _pause(event.attempts)
        event.save(update_fields=["status", "error", "due_at"])
        logger.warning(
            "stripe_event_failed",
            extra={"event_id": event.pk, "attempt": event.attempts, "error": event.error},
        )
        return False
    return True


def _give_up(event: StripeEvent) -> bool:
    event.status = InboxStatus.FAILED
    event.save(update_fields=["status"])
    logger.error("stripe_event_given_up", extra={"event_id": event.pk, "error": event.error})
    return False


def refresh(kind: str | None, object_id: str, customer_id: str = "") -> None:
    """Bring one object, and what pages show of it, to its present state at Stripe."""
    if kind is None:
        return
    lock(customer_id or object_id)
    customer_id = mirror.fetch(kind, object_id) or customer_id
    account_id = account_of(customer_id) if customer_id else None
    if account_id is not None:
        record(account_id, *mirror.shown(kind, object_id, customer_id))


def lock(name: str) -> None:
    """Hold what belongs to one customer until the transaction ends.

    Of two who ask Stripe at once, the one with the older answer could otherwise write last.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _pause(attempts: int) -> timedelta:
    return min(FIRST_RETRY * 2 ** min(attempts - 1, 10), LONGEST_RETRY)
