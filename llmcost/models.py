"""What the platform itself keeps: due work, scheduler ticks, heartbeats. No customer's data."""

from django.db import models
from django.db.models.functions import Now


class DueWork(models.Model):
    """Which accounts have work of a kind waiting, and from when.

    The one place that names accounts outside their own context; ids and times only. A row is
    written in the transaction that causes the work, so that no lost message loses it.
    """

    kind = models.TextField()
    account_id = models.BigIntegerField()
    due_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="duework_once", fields=["kind", "account_id"]),
        ]
        indexes = [  # used by every worker that looks for what is due
            models.Index(name="duework_next", fields=["kind", "due_at"]),
        ]


class ScheduleTick(models.Model):
    """One run of a scheduled task: any number of schedulers may try, one inserts."""

    task = models.TextField()
    slot = models.BigIntegerField(help_text="Seconds since 1970 divided by the task's period.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="scheduletick_once", fields=["task", "slot"]),
        ]


class Heartbeat(models.Model):
    """When a kind of process last showed that it works."""

    name = models.TextField(primary_key=True)
    at = models.DateTimeField()
