"""People, the companies they work for, and who belongs where."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower, Now


class UserManager(BaseUserManager["User"]):
    """Makes users; an address means the same person in any case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make a user who signs in with `email`; no password means that none will match."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find by e-mail address, whatever its case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. We ask for a name and an e-mail address, nothing else."""

    email = models.EmailField("Email", max_length=254)
    name = models.CharField("Name", max_length=200)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May use the support admin.")
    joined_at = models.DateTimeField(db_default=Now())
    accepted_policy_version = models.CharField(
        max_length=40, blank=True, help_text="Version of the privacy policy accepted at sign-up."
    )
    accepted_policy_at = models.DateTimeField(null=True)

    objects = UserManager()

    EMAIL_FIELD = USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once")]

    def __str__(self) -> str:
        return self.email


class Account(models.Model):
    """The tenant: a company and all that it sends us."""

    name = models.CharField("Company", max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; the table of rights comes with team management."""

    OWNER = "owner", "Owner"


class Membership(models.Model):
    """A user's place in an account."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    joined_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="membership_once", fields=["account", "user"]),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.account_id}"
