"""What the platform itself keeps: due work, ticks, heartbeats, and mails on their way out."""

import uuid_utils.compat as uuid
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


class OutgoingMail(models.Model):
    """A mail on its way out. Once sent, only that it was sent stays, for 60 days."""

    message_id = models.UUIDField(default=uuid.uuid7, editable=False)
    account_id = models.BigIntegerField(null=True, help_text="Whose mail it is; none: our own.")
    once = models.TextField(help_text="Names the cause, so that it is mailed once.")
    recipient = models.TextField()
    subject = models.TextField()
    text = models.TextField()
    html = models.TextField()
    unsubscribe_url = models.TextField(default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    next_try_at = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="outgoingmail_once", fields=["once"])]
        indexes = [  # used by the worker that sends; what is sent is most of the table in time
            models.Index(
                name="outgoingmail_due", fields=["next_try_at"], condition=models.Q(sent_at=None)
            ),
        ]
