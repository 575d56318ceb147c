"""People, the companies they work for, and who belongs where."""

from datetime import datetime
from typing import Any, ClassVar

import uuid_utils.compat as uuid
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.functions import RandomUUID
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.db.models.functions import Collate, Lower, Now


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
    accepted_terms_version = models.CharField(
        max_length=40, blank=True, help_text="Version of the terms accepted at sign-up."
    )
    accepted_policy_at = models.DateTimeField(null=True)

    objects = UserManager()

    EMAIL_FIELD = USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once")]
        indexes = [  # used by support, who search by the beginning of an address
            models.Index(Collate("email", "C"), name="user_email_begins"),
        ]

    def __str__(self) -> str:
        return self.email


class Session(AbstractBaseSession):
    """Somebody's visit, with whose it is, so that they can see and end each of theirs.

    Neither an address nor a browser's name stands here.
    """

    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")

    objects: ClassVar[BaseSessionManager] = BaseSessionManager()

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        """Return the store that reads and writes this table."""
        from accounts.sign_in.sessions import SessionStore  # noqa: PLC0415 - which imports this module

        return SessionStore


class Account(models.Model):
    """The tenant: a company and all that it sends us."""

    # How pages, receipts and Stripe name it: the number would tell how many accounts there are.
    public_id = models.UUIDField(default=uuid.uuid7, db_default=RandomUUID(), editable=False)
    name = models.CharField("Company", max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, help_text="Closed by its owner; keys stop.")
    purge_due_at = models.DateTimeField(null=True, help_text="When what it holds is deleted.")
    suspended_at = models.DateTimeField(
        null=True, help_text="Read-only, because a payment failed for longer than the grace."
    )
    sso_required = models.BooleanField(
        default=False, help_text="Only sessions of its own single sign-on open it."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="account_public_id_once", fields=["public_id"]),
            models.CheckConstraint(
                name="account_closed_is_due",
                condition=models.Q(closed_at=None, purge_due_at=None)
                | models.Q(closed_at__isnull=False, purge_due_at__gt=models.F("closed_at")),
            ),
        ]
        indexes = [  # used by support, who search by the beginning of a name in any case
            models.Index(Collate(Lower("name"), "C"), name="account_name_begins"),
        ]

    @property
    def is_read_only(self) -> bool:
        """Whether its pages may be looked at and nothing be changed."""
        return self.closed_at is not None or self.suspended_at is not None

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """A member's role; what each may do stands in `accounts.rights`."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"
    BILLING = "billing", "Billing"
    READ_ONLY = "read_only", "Read-only"


class Membership(models.Model):
    """A user's place in an account."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    joined_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="membership_once", fields=["account", "user"]),
            # With the account's row locked for every change, there is exactly one.
            models.UniqueConstraint(
                name="membership_one_owner", fields=["account"], condition=models.Q(role=Role.OWNER)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.account_id}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Sets of invitations."""

    def open(self) -> "InvitationQuerySet":
        """Those that are neither accepted nor withdrawn; they may have expired."""
        return self.filter(accepted_at=None, withdrawn_at=None)


class Invitation(models.Model):
    """A place in an account, offered to one e-mail address by a link that works once.

    We hold a hash of the link's token: who reads this table cannot join by it.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    email = models.EmailField("Email", max_length=254)
    role = models.CharField("Role", max_length=20, choices=Role.choices)
    token_hash = models.CharField(max_length=64, help_text="SHA-256 of the link's token.")
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="invitation_token_once", fields=["token_hash"]),
            models.UniqueConstraint(
                "account",
                Lower("email"),
                name="invitation_open_once",
                condition=models.Q(accepted_at=None, withdrawn_at=None),
            ),
            models.CheckConstraint(
                name="invitation_not_to_own", condition=~models.Q(role=Role.OWNER)
            ),
            models.CheckConstraint(
                name="invitation_ended_once",
                condition=models.Q(accepted_at=None) | models.Q(withdrawn_at=None),
            ),
        ]

    def has_expired(self, at: datetime) -> bool:
        """Say whether its seven days are over at that moment."""
        return self.expires_at <= at

    def __str__(self) -> str:
        return f"{self.role} in {self.account_id}"


class SsoConnection(models.Model):
    """The OpenID Connect provider through which an account's members sign in."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    provider = models.CharField(
        max_length=40, help_text="Its name in addresses: sso- and the account's public id."
    )
    issuer = models.URLField(max_length=500)
    client_id = models.CharField(max_length=255)
    client_secret = models.TextField(help_text="Sealed with ENCRYPTION_KEYS.")
    default_role = models.CharField(
        max_length=20,
        choices=Role.choices,
        blank=True,
        help_text="Of who comes new; or nobody.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="sso_connection_once", fields=["account"]),
            models.UniqueConstraint(name="sso_provider_once", fields=["provider"]),
        ]

    def __str__(self) -> str:
        return self.provider


class SsoDomain(models.Model):
    """A domain of e-mail addresses whose people sign in through their account's provider."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    domain = models.CharField(max_length=253)

    class Meta:
        constraints = [models.UniqueConstraint(name="sso_domain_once", fields=["domain"])]

    def __str__(self) -> str:
        return self.domain


class Actor(models.TextChoices):
    """Who did what an audit event tells."""

    MEMBER = "member", "Member"
    SUPPORT = "support", "Our support"
    KEY = "key", "API key"
    SYSTEM = "system", "The service"


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Sets of acts."""

    def made_here(self) -> "AuditEventQuerySet":
        """Acts in this installation, not those that came with an export of another one."""
        return self.exclude(details__has_key=AuditEvent.IMPORTED)


class AuditEvent(models.Model):
    """One act in an account, for good: the application may add rows, not change or delete them.

    Names nobody and holds no address: people stand here by number, and a page asks the users'
    table for the name, so that who is deleted there is nobody here.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=20, choices=Actor.choices)
    user_id = models.BigIntegerField(null=True, help_text="Which member or supporter acted.")
    action = models.CharField(max_length=60, help_text="A name from accounts.audit.ACTIONS.")
    subject = models.CharField(
        max_length=200, blank=True, help_text="What it was done to: a hint, a slug, a number."
    )
    member_id = models.BigIntegerField(null=True, help_text="Which person it was done to.")
    details = models.JSONField(default=dict, help_text="Small facts: a role, a plan, a reason.")

    objects = AuditEventQuerySet.as_manager()

    # Among the details of an act that came with an export.
    IMPORTED = "imported"

    class Meta:
        indexes = [  # used by the audit page, newest first
            models.Index(name="auditevent_newest", fields=["account", "-at", "-id"]),
        ]

    def __str__(self) -> str:
        return self.action


class SupportGrantQuerySet(models.QuerySet["SupportGrant"]):
    """Sets of grants."""

    def in_force(self, at: datetime) -> "SupportGrantQuerySet":
        """Grants under which our support may look at `at`."""
        return self.filter(ended_at=None, ends_at__gt=at)


class SupportGrant(models.Model):
    """Leave for our support to look at an account's costs, for a time that the customer chose.

    The database itself asks this table whenever support reads a call (`llmcost_support_account`).
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    reason = models.CharField("What for", max_length=200)
    granted_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    granted_at = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, help_text="Ended early, or noted as expired.")

    objects = SupportGrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="supportgrant_ends_later",
                condition=models.Q(ends_at__gt=models.F("granted_at")),
            ),
        ]
        indexes = [  # used by the policy on calls and by the page, newest first
            models.Index(name="supportgrant_newest", fields=["account", "-ends_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} until {self.ends_at:%Y-%m-%d %H:%M}"


class StaffAct(models.Model):
    """What a member of our staff did or looked at, for good: our side of the audit trail.

    People and accounts stand here by number and without a reference, because the line stays when
    they are gone. Only why, and to what, may name somebody, and is blanked (privacy.retention).
    """

    at = models.DateTimeField("When", db_default=Now())
    staff_id = models.BigIntegerField("Staff")
    account_id = models.BigIntegerField("Account")
    action = models.CharField(max_length=60, help_text="A name from accounts.audit.ACTIONS.")
    subject = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        verbose_name = "act of staff"
        verbose_name_plural = "acts of staff"
        indexes = [  # used by the page of an account, newest first
            models.Index(name="staffact_of_account", fields=["account_id", "-id"]),
        ]

    def __str__(self) -> str:
        return self.action
