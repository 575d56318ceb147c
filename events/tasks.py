"""Background work of this app; each task is its service, and safe to repeat."""

from celery import shared_task
from django.db import connection

from events.rollups import fold


@shared_task(name="events.tasks.fold_due")
def fold_due() -> None:
    """Fold what is waiting."""
    fold.fold_due_accounts()


@shared_task(name="events.tasks.ensure_partitions")
def ensure_partitions() -> None:
    """Make the next months' partitions; ingest makes a missing one by itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT llmcost_event_partitions()")
