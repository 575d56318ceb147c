"""What keeping our promises needs to remember."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import Account


class Publication(models.Model):
    """A version of a document that was published in this installation."""

    kind = models.CharField(max_length=20, help_text="privacy, terms or subprocessors.")
    version = models.CharField(max_length=40)
    effective = models.DateField()
    is_announced = models.BooleanField(help_text="Material: every owner is told before.")
    published_at = models.DateTimeField(db_default=Now())
    told_up_to = models.BigIntegerField(default=0, help_text="The user who was told last.")

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
