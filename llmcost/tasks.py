"""The platform's own background work."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.db import connection

from llmcost import clock, outbox, upkeep
from llmcost.models import OutgoingMail

# Longer than any cause of a mail lasts (a billing period and its days of grace).
KEEP_MARKS = timedelta(days=60)


@shared_task(name="llmcost.tasks.beat")
def beat() -> None:
    """Note that a worker works; /readyz looks at how long ago that was."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO llmcost_heartbeat (name, at) VALUES ('worker', now())"
            " ON CONFLICT (name) DO UPDATE SET at = now()"
        )


@shared_task(name="llmcost.tasks.forget_ticks")
def forget_ticks() -> None:
    """Delete the scheduler's ticks of two days ago; nobody asks for their slots again."""
    with connection.cursor() as cursor:
        # The slowest task runs once a day: its current slot must stay, or it would run twice.
        cursor.execute("DELETE FROM llmcost_scheduletick WHERE at < now() - interval '2 days'")


@shared_task(name="llmcost.tasks.send_mails")
def send_mails() -> None:
    """Send the mails that are due."""
    outbox.send_due()


@shared_task(name="llmcost.tasks.forget_mails")
def forget_mails() -> None:
    """Delete the marks of mails that were sent: their causes do not come again."""
    OutgoingMail.objects.filter(sent_at__lt=clock.now() - KEEP_MARKS).delete()


@shared_task(name="llmcost.tasks.sweep")
def sweep() -> None:
    """Give back what deleted rows have left behind, if somebody has asked."""
    upkeep.sweep_if_asked()


@worker_ready.connect
def _beat_at_once(**_: Any) -> None:
    """Not only when the first tick comes round: the site is ready when the worker is."""
    beat()
    connection.close()  # the worker's main thread needs no connection of its own
