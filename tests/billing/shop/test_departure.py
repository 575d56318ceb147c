"""An account that is gone is gone at Stripe, too, whether or not Stripe is there at the time."""

import json
from datetime import timedelta

import pytest
import stripe
from djstripe import models as mirrored

from accounts.models import Account
from billing.models import DepartedCustomer
from billing.services import departure
from billing.stripe import client as stripe_client
from billing.stripe import reconcile
from llmcost import clock
from llmcost.tenancy.context import tenant
from privacy import purge, receipts
from privacy.report import report
from tests.billing.shop.conftest import Buyer, LocalStripe
from tests.conftest import open_company
from tests.privacy.test_erasure import log  # noqa: F401 - fixture

DAY = timedelta(days=1)


@pytest.fixture
def leaver(as_worker, committed, log, local_stripe: LocalStripe) -> Buyer:  # noqa: F811
    """Who has bought, and closed the account 31 days ago."""
    buyer = Buyer(open_company("Acme", "alice@acme.example"), local_stripe)
    assert buyer.buy().status_code == 302
    reconcile.reconcile(buyer.account.pk)
    with tenant(buyer.account.pk):
        closed = clock.now() - 31 * DAY
        Account.objects.filter(pk=buyer.account.pk).update(
            closed_at=closed, purge_due_at=closed + 30 * DAY
        )
        purge.plan_purge(buyer.fresh_account())
    return buyer


def is_at_stripe(customer: str) -> bool:
    try:
        return not stripe_client.api().Customer.retrieve(customer).get("deleted")
    except stripe.InvalidRequestError:
        return False


def purge_and_read(buyer: Buyer) -> dict:
    purge.purge(buyer.account.pk)
    return json.loads(receipts.receipts_of(buyer.account.public_id)[0].text)


def test_the_customer_goes_with_the_account_and_the_receipt_says_so(leaver):
    customer = leaver.billing.stripe_customer_id

    body = purge_and_read(leaver)
    first, again = departure.delete_departed(), departure.delete_departed()

    assert (first, again) == (1, 0)
    assert not is_at_stripe(customer)
    assert body["passed_on"] == ["Stripe: to delete the customer"]
    [invoice] = [one for one in body["kept"] if one["what"].startswith("billing_invoice")]
    assert invoice["what"] == "billing_invoice: 1 rows"
    assert "10 years" in invoice["law"]
    assert invoice["until"] == f"{clock.now().year + 11}-01-01"
    assert not mirrored.Customer.objects.exists()


def test_stripe_being_away_hinders_nothing_of_ours_and_is_asked_again(leaver, settings):
    customer = leaver.billing.stripe_customer_id
    there, settings.STRIPE_API_HOST = settings.STRIPE_API_HOST, "http://127.0.0.1:9"
    stripe_client.api.cache_clear()

    body = purge_and_read(leaver)

    assert body["rows"]["billing_account"] == 1
    assert departure.delete_departed() == 0
    # What we held of it is gone already.
    assert not mirrored.Customer.objects.exists()
    assert not mirrored.PaymentMethod.objects.exists()
    settings.STRIPE_API_HOST = there
    stripe_client.api.cache_clear()
    assert is_at_stripe(customer)
    assert departure.delete_departed() == 1
    assert not is_at_stripe(customer)


def test_a_customer_that_stripe_has_deleted_before_is_gone(leaver):
    customer = leaver.billing.stripe_customer_id
    stripe_client.api().Customer.delete(customer)

    purge.purge(leaver.account.pk)

    assert departure.delete_departed() == 1
    assert not DepartedCustomer.objects.exists()


def test_the_report_says_when_stripe_has_not_deleted_for_days(db):
    DepartedCustomer.objects.create(customer_id="cus_1", since=clock.now() - 3 * DAY)

    name = "customers of deleted accounts are deleted at Stripe"
    assert [line.holds for line in report() if line.name == name] == [False]
