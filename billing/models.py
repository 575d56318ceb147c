"""What we keep of payment: what pages show, what tax law asks for, and Stripe's announcements.

Nothing here is a card or a person: four digits and the billing address are all that is stored of
a payment (`billing.stripe.allowed` says what dj-stripe's own tables may hold).
"""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from accounts.models import Account

FREE = "free"
LONGEST_ID = 255  # Stripe's own promise


def _stripe_id(**options: Any) -> models.CharField:
    return models.CharField(max_length=LONGEST_ID, **options)


def _money() -> models.DecimalField:
    return models.DecimalField(max_digits=14, decimal_places=2)


class Status(models.TextChoices):
    """Where a subscription stands; Stripe's own words, and one for having none."""

    NONE = "none", "No subscription"
    TRIALING = "trialing", "Trial"
    ACTIVE = "active", "Active"
    PAST_DUE = "past_due", "Payment failed"
    UNPAID = "unpaid", "Unpaid"
    INCOMPLETE = "incomplete", "Waiting for the first payment"
    INCOMPLETE_EXPIRED = "incomplete_expired", "First payment never came"
    PAUSED = "paused", "Paused"
    CANCELED = "canceled", "Ended"


class TaxIdStatus(models.TextChoices):
    """Whether Stripe has checked the account's VAT id; the id itself stays at Stripe."""

    NONE = "none", "None given"
    PENDING = "pending", "Being checked"
    VERIFIED = "verified", "Verified"
    UNVERIFIED = "unverified", "Not verified"
    UNAVAILABLE = "unavailable", "Cannot be checked"


class AtLimit(models.TextChoices):
    """What the customer wants when the included events are used up."""

    STOP = "stop", "Stop: further events are refused until the next month"
    PAY = "pay", "Go on, and pay for what is beyond"


class BillingAccount(models.Model):
    """How an account pays: all that its pages show without asking Stripe.

    An account without a row has the free plan. `plan` is what the account may use now: it is free
    again once a subscription has ended, and not yet paid for before the first payment.
    """

    account = models.OneToOneField(
        Account, models.CASCADE, primary_key=True, related_name="billing"
    )
    plan = models.CharField(max_length=40, default=FREE)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.NONE)
    stripe_customer_id = _stripe_id(blank=True)
    stripe_subscription_id = _stripe_id(blank=True)
    period_start = models.DateTimeField(null=True)
    period_end = models.DateTimeField(null=True)
    trial_end = models.DateTimeField(null=True)
    trial_until = models.DateTimeField(
        null=True, help_text="End of the trial without a card; every account has one."
    )
    at_limit = models.CharField(max_length=10, choices=AtLimit.choices, default=AtLimit.STOP)
    larger_plan = models.CharField(
        max_length=40, blank=True, help_text="A plan that was left in a month not billed yet."
    )
    larger_until = models.DateTimeField(
        null=True, help_text="Until then the left plan's events count as included."
    )
    cancel_at_period_end = models.BooleanField(default=False)
    past_due_since = models.DateTimeField(null=True, help_text="Start of the days of grace.")
    card_last4 = models.CharField(max_length=4, blank=True)
    billing_address = models.JSONField(default=dict, help_text="Stripe's six lines of an address.")
    tax_id_status = models.CharField(
        max_length=20, choices=TaxIdStatus.choices, default=TaxIdStatus.NONE
    )
    synced_at = models.DateTimeField(null=True, help_text="When Stripe was last heard of.")

    class Meta:
        db_table = "billing_account"
        constraints = [
            # Used by the worker, too, to find whose customer Stripe speaks of.
            models.UniqueConstraint(
                name="billing_account_customer_once",
                fields=["stripe_customer_id"],
                condition=~models.Q(stripe_customer_id=""),
            ),
            models.CheckConstraint(
                name="billing_account_last4",
                condition=models.Q(card_last4="") | models.Q(card_last4__regex=r"^[0-9]{4}$"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan} ({self.status})"


class Invoice(models.Model):
    """An invoice as tax law wants it kept, `BILLING_RETENTION_YEARS` after its account is gone.

    So no key of the database ties it to the account. Its document is fetched from Stripe when
    somebody asks for it: a link to it would open it for anybody.
    """

    account = models.ForeignKey(
        Account, models.DO_NOTHING, db_constraint=False, related_name="invoices"
    )
    stripe_id = _stripe_id()
    number = models.CharField(max_length=100, blank=True, help_text="Empty for a draft.")
    status = models.CharField(max_length=20, help_text="draft, open, paid, void, uncollectible")
    issued_at = models.DateTimeField()
    period_start = models.DateTimeField(null=True)
    period_end = models.DateTimeField(null=True)
    currency = models.CharField(max_length=3)
    subtotal = _money()
    tax = _money()
    total = _money()
    amount_due = _money()
    amount_paid = _money()
    overage = _money()
    billing_address = models.JSONField(default=dict)

    class Meta:
        db_table = "billing_invoice"
        constraints = [
            models.UniqueConstraint(name="billing_invoice_once", fields=["account", "stripe_id"])
        ]
        indexes = [  # used by the billing page
            models.Index(name="billing_invoice_newest", fields=["account", "-issued_at"])
        ]

    def __str__(self) -> str:
        return self.number or self.stripe_id


class Overage(models.Model):
    """What one account used beyond its plan in one period: the reason for one invoice item.

    Written before Stripe is asked; `stripe_item_id` is empty until Stripe has answered. Kept as
    long as the invoice that it explains, so with no key to the account either.
    """

    account = models.ForeignKey(
        Account, models.DO_NOTHING, db_constraint=False, related_name="overages"
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    plan = models.CharField(max_length=40)
    included_events = models.BigIntegerField()
    used_events = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="usd")
    amount = _money()
    stripe_item_id = _stripe_id(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "billing_overage"
        constraints = [
            models.UniqueConstraint(name="billing_overage_once", fields=["account", "period_start"])
        ]

    def __str__(self) -> str:
        return f"{self.period_start:%Y-%m-%d}: {self.used_events}"


class DepartedCustomer(models.Model):
    """A customer at Stripe whose account is gone, so that Stripe is to delete it, too.

    The row goes when Stripe has done so: what it names is then nobody.
    """

    customer_id = _stripe_id(primary_key=True)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "billing_departed"

    def __str__(self) -> str:
        return self.customer_id


class InboxStatus(models.TextChoices):
    """What has become of an announcement of Stripe's."""

    WAITING = "waiting", "To be fetched"
    DONE = "done", "Fetched"
    IGNORED = "ignored", "Of a kind that changes nothing here"
    FAILED = "failed", "Given up"


class StripeEvent(models.Model):
    """That something has changed at Stripe, and which object: ids only, never what it says.

    The worker asks Stripe for the object's present state, so order and repeats do not matter.
    `due_at` is also the lease: whoever takes a row moves it ahead, so that a worker which is
    killed is followed.
    """

    event_id = _stripe_id(primary_key=True)
    type = models.CharField(max_length=100)
    object_id = _stripe_id(blank=True)
    customer_id = _stripe_id(blank=True)
    created = models.DateTimeField()
    livemode = models.BooleanField()
    status = models.CharField(
        max_length=10, choices=InboxStatus.choices, default=InboxStatus.WAITING
    )
    attempts = models.IntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    error = models.CharField(max_length=100, blank=True, help_text="The last failure's kind.")

    class Meta:
        db_table = "billing_stripe_inbox"
        indexes = [  # used by the worker; what is done is most of the table in time
            models.Index(
                name="billing_stripe_inbox_due",
                fields=["due_at"],
                condition=models.Q(status="waiting"),
            )
        ]

    def __str__(self) -> str:
        return self.event_id


class KeptOfStripe(models.Model):
    """The allow-list as the database's own triggers read it: one row for a table of dj-stripe's.

    Filled by the owner after each migration from `billing.stripe.allowed`; the application may
    not change it.
    """

    table = models.TextField(primary_key=True)
    blank = models.JSONField(help_text="Columns that hold nothing, and what stands there instead.")
    paths = models.JSONField(help_text="What may stay inside of columns that hold JSON.")

    class Meta:
        db_table = "billing_stripe_kept"

    def __str__(self) -> str:
        return self.table
