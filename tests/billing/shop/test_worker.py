"""The worker against the Stripe of local mode: what a person bought there arrives here."""

import pytest
from djstripe import models as mirrored

from billing.models import BillingAccount, Invoice
from billing.stripe import inbox, reconcile
from llmcost.tenancy.context import tenant


def shown(buyer) -> tuple[object, ...]:
    """What pages show, without when it was heard."""
    with tenant(buyer.account.pk):
        row = BillingAccount.objects.filter(account_id=buyer.account.pk).values().get()
        invoices = Invoice.objects.filter(account_id=buyer.account.pk).order_by("stripe_id")
        rows = [{**one, "id": None} for one in invoices.values()]
    return {**row, "synced_at": None}, rows


@pytest.fixture
def bought(as_worker, subscriber):
    """A purchase whose webhooks were all lost, as the worker sees it."""
    return subscriber


def test_the_reconciliation_finds_what_the_purchase_has_shown(bought):
    before = shown(bought)

    assert reconcile.reconcile(bought.account.pk) == []

    assert shown(bought) == before
    assert before[0]["plan"] == "team"
    assert before[0]["card_last4"] == "4242"
    for model in (mirrored.Customer, mirrored.Subscription, mirrored.PaymentMethod):
        assert model.objects.count() == 1
    assert mirrored.Invoice.objects.count() == len(before[1]) == 1


def test_each_announcement_brings_its_object(bought):
    row, [invoice] = shown(bought)
    with tenant(bought.account.pk):
        Invoice.objects.all().delete()
        BillingAccount.objects.filter(account_id=bought.account.pk).update(
            plan="free", status="none", card_last4="", billing_address={}
        )

    for kind, object_id in (
        ("invoice", invoice["stripe_id"]),
        ("subscription", row["stripe_subscription_id"]),
        ("customer", row["stripe_customer_id"]),
    ):
        inbox.refresh(kind, object_id, row["stripe_customer_id"])

    assert shown(bought) == (row, [invoice])


def test_a_renewal_that_nobody_announced_is_found(bought):
    bought.local.renew(bought.billing.stripe_subscription_id)

    changed = reconcile.reconcile(bought.account.pk)

    assert any(name.startswith("invoice ") for name in changed)
    assert reconcile.reconcile(bought.account.pk) == []
