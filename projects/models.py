"""What is measured: projects, and the keys with which programs speak for them."""

from datetime import datetime
from typing import ClassVar, Literal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account, User


class Project(models.Model):
    """One application (or one environment of it) whose calls are counted together."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="projects")
    slug = models.SlugField(max_length=60)
    name = models.CharField("Name", max_length=100)
    timezone = models.CharField(
        "Time zone", max_length=64, default="UTC", help_text="Days begin at midnight here."
    )
    created_at = models.DateTimeField(db_default=Now())
    archived_at = models.DateTimeField(
        null=True, help_text="Takes in nothing from then on; what it holds can be read."
    )

    retention_days = models.PositiveIntegerField(
        null=True, help_text="Calls older than this are deleted each night; none: kept."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="project_retention_positive", condition=Q(retention_days__gte=1)
            ),
            models.UniqueConstraint(name="project_slug_once", fields=["account", "slug"]),
            # What keys refer to, so that no key can point at another account's project.
            models.UniqueConstraint(name="project_of_account", fields=["account", "id"]),
        ]

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    """What a key may be used for."""

    INGEST = "ingest", "Send events"
    READ = "read", "Read reports"
    ADMIN = "admin", "Erase and configure"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Sets of keys."""

    def live(self, at: datetime) -> "ApiKeyQuerySet":
        """Keys that open something at that moment."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=at), revoked_at=None)


class ApiKey(models.Model):
    """A key of one project. We hold its keyed hash and its hint, so nobody can read it here."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    # The constraint in the database is on (account, project): see the migration.
    project = models.ForeignKey(Project, models.CASCADE, related_name="keys", db_constraint=False)
    name = models.CharField("Name", max_length=100)
    note = models.CharField("Note", max_length=200, blank=True)
    digest = models.CharField(max_length=64, help_text="HMAC-SHA256 with a pepper of the ring.")
    hint = models.CharField(max_length=24, help_text="Prefix and last four characters.")
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices))
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")
    rotated_at = models.DateTimeField(null=True, help_text="When another key took its place.")
    expires_at = models.DateTimeField(null=True, help_text="From then on it opens nothing.")
    revoked_at = models.DateTimeField(
        null=True, help_text="Closed for good; equals expires_at where only its end had come."
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="apikey_digest_once", fields=["digest"]),
            models.CheckConstraint(name="apikey_some_scope", condition=~Q(scopes=[])),
        ]
        indexes: ClassVar = [
            # used by the keys page
            models.Index(name="apikey_of_project", fields=["account", "project"]),
            # used by support, who are told the hint
            models.Index(name="apikey_hint", fields=["hint"]),
        ]

    def __str__(self) -> str:
        return self.hint

    @property
    def kind(self) -> Literal["live", "test"]:
        """The word in its prefix."""
        return "test" if self.hint.startswith("llmc_test_") else "live"

    def is_live(self, at: datetime) -> bool:
        """Say whether it opens something at that moment."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)

    def close(self, at: datetime) -> bool:
        """Close the key for good; say whether this call did it. Processes notice within 5 s."""
        return bool(
            ApiKey.objects.filter(account_id=self.account_id, pk=self.pk, revoked_at=None).update(
                revoked_at=at
            )
        )
