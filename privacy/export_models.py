"""Exports that were asked for."""

import uuid_utils.compat as uuid
from django.db import models
from django.db.models.functions import Now

from accounts.models import Account


class ExportQuerySet(models.QuerySet["Export"]):
    """Sets of exports."""

    def open(self) -> "ExportQuerySet":
        """Those that are still being written."""
        return self.filter(state__in=[Export.State.QUEUED, Export.State.RUNNING])


class Export(models.Model):
    """An export of everything, for the member who asked; its file is gone after seven days."""

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Being written"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Gone"

    public_id = models.UUIDField(default=uuid.uuid7, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    requested_by = models.BigIntegerField(help_text="Which member; the file is for them alone.")
    requested_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    moment = models.DateTimeField(null=True, help_text="As of when: nothing later is in it.")
    # Where writing goes on after a killed worker: place in the calls, files so far with their
    # SHA-256, length of the file that holds them.
    cursor = models.JSONField(default=dict)
    events_expected = models.BigIntegerField(default=0)
    events_written = models.BigIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    attempts = models.IntegerField(default=0)
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="export_public_id_once", fields=["public_id"]),
            models.UniqueConstraint(
                name="export_one_at_a_time",
                fields=["account", "requested_by"],
                condition=models.Q(state__in=["queued", "running"]),
            ),
        ]
        indexes = [  # used by the worker and by the page, newest first
            models.Index(name="export_of_account", fields=["account", "-id"]),
        ]

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def progress(self) -> float:
        """The share of the calls that is written, from 0 to 1."""
        if self.state == self.State.READY:
            return 1.0
        return min(self.events_written / self.events_expected, 0.99) if self.events_expected else 0
