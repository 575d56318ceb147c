"""Invoices outlive their account by law and then go, too; Stripe's mirror goes with it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from djstripe import models as mirrored

from billing import retention
from billing.models import BillingAccount, Invoice, Overage
from billing.stripe import mirror, reconcile
from billing.stripe.record import record
from llmcost import clock
from llmcost.models import DueWork
from llmcost.tenancy.context import tenant
from tests.billing import objects


@pytest.fixture
def at(monkeypatch):
    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    return set_to


def kept(company) -> int:
    with tenant(company.account.pk):
        return Invoice.objects.count() + Overage.objects.count()


def test_records_stay_ten_years_from_the_end_of_their_year(acme, at):
    # Finalised on 1 December 2026.
    record(acme.account.pk, objects.customer(), objects.invoice())
    with tenant(acme.account.pk):
        Overage.objects.create(
            account_id=acme.account.pk, period_start=datetime(2026, 11, 1, tzinfo=UTC),
            period_end=datetime(2026, 12, 1, tzinfo=UTC), plan="team", included_events=1,
            used_events=2, amount=1,
        )  # fmt: skip

    at(datetime(2036, 12, 31, 23, 59, tzinfo=UTC))
    assert (retention.forget_due_records(), kept(acme)) == (0, 2)
    at(datetime(2037, 1, 1, 0, 1, tzinfo=UTC))
    assert (retention.forget_due_records(), kept(acme)) == (2, 0)
    assert not DueWork.objects.filter(kind=retention.RECORDS).exists()


def test_an_installation_may_keep_them_for_as_long_as_its_law_says(acme, at, settings):
    settings.BILLING_RETENTION_YEARS = 8
    record(acme.account.pk, objects.customer(), objects.invoice())

    at(datetime(2035, 1, 1, 0, 1, tzinfo=UTC))

    assert retention.forget_due_records() == 1


def test_only_what_is_old_goes(acme, at):
    later = int(datetime(2028, 5, 1, tzinfo=UTC).timestamp())
    newer = objects.invoice(number=2, status_transitions={"finalized_at": later})
    record(acme.account.pk, objects.customer(), objects.invoice(), newer)

    at(datetime(2037, 2, 1, tzinfo=UTC))

    assert retention.forget_due_records() == 1
    due_at = DueWork.objects.get(kind=retention.RECORDS).due_at
    assert due_at == datetime(2039, 1, 1, tzinfo=UTC)


def test_the_mirror_forgets_whoever_has_no_account_here(as_worker, acme, at_stripe):
    at_stripe.put(
        objects.customer(), objects.card(), objects.subscription(), objects.product(),
        objects.tax_id(), objects.invoice(),
    )  # fmt: skip
    record(acme.account.pk, {"object": "customer", "id": "cus_1"})
    reconcile.reconcile(acme.account.pk)
    long_ago = timezone.now() - timedelta(days=2)
    mirrored.Customer.objects.update(djstripe_updated=long_ago)
    assert mirror.forget_strangers() == 0

    with tenant(acme.account.pk):
        BillingAccount.objects.all().delete()
    assert mirror.forget_strangers() == 1

    models = (mirrored.Customer, mirrored.PaymentMethod, mirrored.Subscription, mirrored.TaxId,
              mirrored.Invoice, mirrored.LineItem, mirrored.SubscriptionItem)  # fmt: skip
    assert [model.__name__ for model in models if model.objects.exists()] == []
