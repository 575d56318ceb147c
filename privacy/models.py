"""What keeping our promises needs to remember."""

import uuid

from django.db import models
from django.db.models.functions import Now

from accounts.models import Account, User
from privacy.deletion_models import (
    AppliedTombstone,
    ClockWatch,
    Erasure,
    Purge,
    Receipt,
    ReceiptHead,
    RefusedUser,
)
from privacy.export_models import Export

__all__ = [
    "AppliedTombstone",
    "ClockWatch",
    "DataRequest",
    "Erasure",
    "Export",
    "Kind",
    "Message",
    "Notice",
    "Publication",
    "Purge",
    "Receipt",
    "ReceiptHead",
    "Referral",
    "RefusedUser",
    "RequestStep",
    "State",
    "Thread",
    "Topic",
]


class Publication(models.Model):
    """A version of a document that was published in this installation."""

    kind = models.CharField(max_length=20, help_text="privacy, terms or subprocessors.")
    version = models.CharField(max_length=40)
    effective = models.DateField()
    is_announced = models.BooleanField(help_text="Material: every owner is told before.")
    published_at = models.DateTimeField(db_default=Now())
    told_up_to = models.BigIntegerField(default=0, help_text="The user who was told last.")
    sha256 = models.CharField(
        max_length=64, default="", help_text="Of its files; empty: published before this was kept."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="publication_once", fields=["kind", "version"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.version}"


class Notice(models.Model):
    """That an owner was told of a version before it took effect, and when."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    user_id = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    version = models.CharField(max_length=40)
    told_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="notice_once", fields=["account", "user_id", "kind", "version"]
            ),
        ]


class Topic(models.TextChoices):
    """What a thread is about: which of our addresses was written to."""

    CONTACT = "contact", "Contact"
    PRIVACY = "privacy", "Privacy"
    SECURITY = "security", "Security"


class Thread(models.Model):
    """Letters to and fro with one person.

    Who and what is sealed; the address can be looked up by its keyed hash alone.
    """

    reference = models.CharField(max_length=8, help_text="Random; stands in every subject.")
    topic = models.CharField(max_length=20, choices=Topic.choices)
    address_digest = models.CharField(max_length=64, help_text="Keyed hash of the address.")
    sealed = models.TextField(help_text="Address, name and subject.")
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField(help_text="Of the last message: two years later it goes.")
    waiting_since = models.DateTimeField(null=True, help_text="Of the first unanswered message.")

    class Meta:
        constraints = [models.UniqueConstraint(name="thread_reference", fields=["reference"])]
        indexes = [
            models.Index(name="thread_of_address", fields=["address_digest"]),
            models.Index(name="thread_newest", fields=["-last_at"]),
        ]

    def __str__(self) -> str:
        return self.reference


class Message(models.Model):
    """One letter of a thread."""

    thread = models.ForeignKey(Thread, models.CASCADE, related_name="messages")
    is_ours = models.BooleanField()
    by_user_id = models.BigIntegerField(null=True, help_text="Who of our staff wrote it.")
    sealed = models.TextField()
    source_digest = models.CharField(
        max_length=64, null=True, help_text="Of the mail it came as, so that it counts once."
    )
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="message_once", fields=["source_digest"])]


class Kind(models.TextChoices):
    """What is asked for."""

    ACCESS = "access", "A copy of what you hold about me"
    PORTABILITY = "portability", "My data, to take with me"
    CORRECTION = "correction", "Correct something about me"
    DELETION = "deletion", "Delete my data"
    RESTRICTION = "restriction", "Restrict what you do with my data"
    OBJECTION = "objection", "Stop using my data for something"
    CHILD = "child", "Somebody under 16 uses the service"
    OTHER = "other", "Something else about my data"


class State(models.TextChoices):
    """How far a request is."""

    RECEIVED = "received", "received"
    VERIFYING = "verifying", "waiting for you to confirm your address"
    IN_PROGRESS = "in_progress", "in progress"
    EXTENDED = "extended", "in progress, needs longer"
    ANSWERED = "answered", "answered"
    REFUSED = "refused", "refused"


class DataRequest(models.Model):
    """A request about somebody's own data. It names nobody itself: its thread does.

    Changed only by privacy.requests.services, each change with its precondition and its step.
    """

    reference = models.CharField(max_length=8, help_text="That of its thread.")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=20, choices=State.choices)
    thread = models.ForeignKey(Thread, models.SET_NULL, null=True, related_name="requests")
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True, help_text="When it was clear who asks.")
    closed_at = models.DateTimeField(null=True)
    token_digest = models.CharField(max_length=64, null=True)
    token_expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="datarequest_reference", fields=["reference"]),
            models.UniqueConstraint(name="datarequest_token", fields=["token_digest"]),
            models.CheckConstraint(
                name="datarequest_closed",
                condition=models.Q(state__in=["answered", "refused"], closed_at__isnull=False)
                | models.Q(
                    state__in=["received", "verifying", "in_progress", "extended"], closed_at=None
                ),
            ),
            models.CheckConstraint(
                name="datarequest_answered_to_whom_it_concerns",
                condition=~models.Q(state="answered")
                | models.Q(verified_at__isnull=False)
                | models.Q(kind="child"),
            ),
        ]
        indexes = [
            models.Index(
                name="datarequest_due", fields=["due_at"], condition=models.Q(closed_at=None)
            ),
            models.Index(name="datarequest_of_user", fields=["user"]),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def staff_state(self) -> str:
        """How far it is in the words of our staff; the labels speak to the person."""
        if self.state == State.VERIFYING:
            return "waiting for them to confirm the address"
        return self.get_state_display()


class RequestStep(models.Model):
    """One step of a request, for good: the application may add, not change or delete."""

    request = models.ForeignKey(DataRequest, models.PROTECT, related_name="steps")
    at = models.DateTimeField()
    what = models.CharField(max_length=60, help_text="A name from privacy.requests.services.STEPS.")
    by_user_id = models.BigIntegerField(null=True, help_text="Who of our staff did it.")


class Referral(models.Model):
    """That we told a customer about a request of one of its end users, and when."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    reference = models.CharField(max_length=8, help_text="That of the request.")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    told_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="referral_once", fields=["account", "reference"]),
        ]


class UseCount(models.Model):
    """How often a page was viewed or a feature used on a day, by the name of its route."""

    day = models.DateField()
    kind = models.CharField(max_length=10, help_text="view or use.")
    name = models.CharField(max_length=100)
    times = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="usecount_once", fields=["day", "kind", "name"])
        ]


class VisitorCount(models.Model):
    """How many different visitors a day had, once it is over."""

    day = models.DateField(primary_key=True)
    visitors = models.BigIntegerField()


class DailySalt(models.Model):
    """The secret of a day, thrown away with it. UNLOGGED: in no write-ahead log."""

    day = models.DateField(primary_key=True)
    salt = models.BinaryField()


class VisitorMark(models.Model):
    """One visitor of today, as a number that only today's secret makes. UNLOGGED as well."""

    day = models.DateField()
    mark = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(name="visitormark_once", fields=["day", "mark"])]


class Consent(models.Model):
    """A choice about analytics that set cookies: when, what, and which version of the policy asked.

    The reference is random and stands in the visitor's cookie; there is no address, no browser and
    no person in it.
    """

    reference = models.UUIDField()
    at = models.DateTimeField(db_default=Now())
    is_accepted = models.BooleanField()
    version = models.CharField(max_length=20)

    class Meta:
        indexes = [
            models.Index(name="consent_of_reference", fields=["reference"]),  # to show a choice
            models.Index(name="consent_by_time", fields=["at"]),  # used to delete the old
        ]

    def __str__(self) -> str:
        return str(self.reference)


class Registration(models.Model):
    """An installation that a company runs for itself and has told us of: e-mail and plan, no more.

    Whoever ends the news takes the address away; the licence goes on without it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(null=True, max_length=254, help_text="None: wants no news.")
    plan = models.CharField(max_length=20)
    registered_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [  # used when somebody ends the news for all of their installations
            models.Index(name="registration_email", fields=["email"]),
        ]

    def __str__(self) -> str:
        return str(self.id)
