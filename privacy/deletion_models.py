"""Deletions that were asked for, and proof of those that were done."""

import uuid_utils.compat as uuid
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Sets of erasures."""

    def open(self) -> "ErasureQuerySet":
        """Those that still have something to do."""
        return self.filter(state__in=[Erasure.State.QUEUED, Erasure.State.RUNNING])


class Erasure(models.Model):
    """A deletion that was asked for: the calls of one end user, of a span of time, of a project.

    What it names (`user_id`) is forgotten when it is done; the keyed hash stays, so that who knows
    the id can find its receipt.
    """

    class Scope(models.TextChoices):
        """Which calls."""

        USER = "user", "One end user"
        SPAN = "span", "A span of time"
        PROJECT = "project", "A project"

    class Mode(models.TextChoices):
        """What becomes of them."""

        DELETE = "delete", "Delete"
        ANONYMISE = "anonymise", "Anonymise"

    class State(models.TextChoices):
        """How far it is; the names are those of /v1/jobs."""

        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    public_id = models.UUIDField(default=uuid.uuid7, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    # No foreign key: the project itself may be what is deleted.
    project_id = models.BigIntegerField()
    scope = models.CharField(max_length=10, choices=Scope.choices)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.DELETE)
    start = models.DateTimeField(null=True, help_text="Of a span; inclusive.")
    end = models.DateTimeField(null=True, help_text="Of a span; exclusive.")
    user_id = models.CharField(max_length=200, blank=True, help_text="Forgotten when it is done.")
    user_ref = models.CharField(max_length=64, blank=True, help_text="Keyed hash of the user id.")
    stand_in = models.CharField(
        max_length=60, blank=True, help_text="What the user id becomes; forgotten when it is done."
    )
    refuse_later = models.BooleanField(default=False)
    requested_by = models.BigIntegerField(null=True, help_text="Which member; none: a key.")
    requested_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    expected = models.BigIntegerField(help_text="How many calls there were when it was asked.")
    counts = models.JSONField(default=dict, help_text="Rows gone so far, by table.")
    attempts = models.IntegerField(default=0)
    is_again = models.BooleanField(default=False, help_text="Asked anew, of a restored database.")
    done_at = models.DateTimeField(null=True)
    receipt_number = models.BigIntegerField(null=True)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="erasure_public_id_once", fields=["public_id"]),
            models.CheckConstraint(
                name="erasure_scope_fits",
                condition=Q(scope="user", start=None, end=None)
                | Q(scope="project", start=None, end=None, user_ref="")
                | Q(scope="span", start__lt=models.F("end"), user_ref=""),
            ),
        ]
        indexes = [  # used by the worker and by the page, newest first
            models.Index(name="erasure_of_account", fields=["account", "-id"]),
        ]

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def progress(self) -> float:
        """The share of the expected calls that is gone, from 0 to 1."""
        if self.state == self.State.DONE:
            return 1.0
        gone = self.counts.get("events_event", 0)
        return min(gone / self.expected, 0.99) if self.expected else 0.0


class RefusedUser(models.Model):
    """An end user whose later calls are not taken, known by a keyed hash only."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    project_id = models.BigIntegerField()
    user_ref = models.CharField(max_length=64)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="refuseduser_once", fields=["account", "project_id", "user_ref"]
            ),
        ]

    def __str__(self) -> str:
        return self.user_ref[:8]


class Purge(models.Model):
    """The deletion of a closed account, which outlives it: numbers and counts only."""

    account_id = models.BigIntegerField(primary_key=True)
    account_public_id = models.UUIDField(null=True, help_text="Forgotten when it is done.")
    requested_at = models.DateTimeField(null=True, help_text="When the account was closed.")
    verified_by = models.CharField(
        max_length=100, default="", help_text="How it was known who asks."
    )
    due_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict, help_text="Rows gone so far, by table.")
    passed_on = models.JSONField(default=list, help_text="What others were asked to delete.")
    done_at = models.DateTimeField(null=True)
    receipt_number = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"purge of account {self.account_id}"


class Receipt(models.Model):
    """Proof of a deletion, for good. `text` is what was signed; it names nobody."""

    number = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=20)
    account_ref = models.CharField(max_length=64)
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    signature = models.CharField(max_length=100)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(name="receipt_of_account", fields=["account_ref", "-number"])]

    def __str__(self) -> str:
        return f"receipt {self.number}"


class ReceiptHead(models.Model):
    """The one row that says which receipt is the newest; locked while the next is written."""

    number = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"head at {self.number}"


class AppliedTombstone(models.Model):
    """A tombstone that this database has, or is carrying out."""

    id = models.CharField(primary_key=True, max_length=64)

    def __str__(self) -> str:
        return self.id


class ClockWatch(models.Model):
    """The one row by which purging sees that the database's clock has jumped."""

    seen_at = models.DateTimeField(help_text="The clock at the last look.")
    steady_since = models.DateTimeField(help_text="Since when it has run without a jump.")

    def __str__(self) -> str:
        return f"steady since {self.steady_since}"
