"""From free to paid, against the Stripe that `make up` runs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe
from django.db import connections

from billing.models import BillingAccount, Invoice
from billing.stripe import client as stripe_client
from llmcost.tenancy.context import tenant
from tests.billing.shop.conftest import (
    ADDRESS,
    ASKS_ALWAYS,
    ASKS_ONCE,
    DECLINED,
    FAILS_LATER,
    PAYS,
    Buyer,
)
from tests.conftest import open_company


def subscriptions(buyer):
    return stripe.Subscription.list(customer=buyer.billing.stripe_customer_id, status="all").data


def test_a_card_buys_a_plan(buyer):
    answer = buyer.buy("team")

    billing = buyer.billing
    page = buyer.look().content.decode()
    assert answer.status_code == 302
    assert (billing.plan, billing.status, billing.card_last4) == ("team", "active", "4242")
    assert billing.billing_address["city"] == "Berlin"
    assert "•••• 4242" in page
    assert buyer.acts == [
        "billing.address_changed",
        "billing.card_changed",
        "billing.plan_bought",
    ]


def test_the_invoice_is_there_and_opens_at_stripe(subscriber):
    with tenant(subscriber.account.pk):
        [invoice] = Invoice.objects.filter(account_id=subscriber.account.pk)

    answer = subscriber.look(f"invoices/{invoice.stripe_id}/")

    assert (invoice.total, invoice.status) == (49, "paid")
    assert invoice.number in subscriber.look().content.decode()
    assert answer.status_code == 302
    assert answer["Location"].startswith(subscriber.local.url)


def test_the_invoice_of_another_company_is_not_there(subscriber, globex, local_stripe):
    with tenant(subscriber.account.pk):
        [invoice] = Invoice.objects.filter(account_id=subscriber.account.pk)
    stranger = Buyer(globex, local_stripe)
    stranger.buy("team")

    foreign = stranger.look(f"invoices/{invoice.stripe_id}/")
    nobodys = stranger.look("invoices/in_nobodys/")

    assert [foreign.status_code, nobodys.status_code] == [404, 404]


def test_a_declined_card_buys_nothing(buyer):
    answer = buyer.buy("team", DECLINED)

    assert answer.status_code == 422
    assert "Enter it once more" in answer.content.decode()
    assert buyer.billing.plan == "free"
    assert subscriptions(buyer) == []


def test_a_card_whose_payment_fails_leaves_no_subscription(buyer):
    answer = buyer.buy("team", FAILS_LATER)

    [ended] = subscriptions(buyer)
    assert answer.status_code == 422
    assert "Your bank declined the card. Nothing was charged" in answer.content.decode()
    assert ended.status == "canceled"
    assert buyer.billing.plan == "free"
    assert "billing.plan_bought" not in buyer.acts


def test_after_a_declined_card_another_one_buys(buyer):
    buyer.buy("team", FAILS_LATER)

    buyer.buy("team", PAYS)

    assert (buyer.billing.plan, buyer.billing.card_last4) == ("team", "4242")


def test_three_d_secure_at_the_card(buyer):
    buyer.buy("business", ASKS_ONCE)

    assert (buyer.billing.plan, buyer.billing.status) == ("business", "active")


def test_three_d_secure_that_is_refused_at_the_card_buys_nothing(buyer):
    agreement = buyer.enter_card(ASKS_ONCE, agree=False)

    answer = buyer.buy("team", setup_intent=agreement)

    assert answer.status_code == 422
    assert subscriptions(buyer) == []


@pytest.mark.parametrize("agree", [True, False])
def test_three_d_secure_at_the_payment(buyer, agree, words):
    answer = buyer.buy("team", ASKS_ALWAYS)
    assert answer["Location"] == "/account/billing/payment/"
    assert buyer.billing.plan == "free"  # nothing is paid yet
    page = buyer.look("payment/")

    buyer.local.answer_bank(page.context["payment"].client_secret, agree=agree)
    answer = buyer.post("payment/")

    if agree:
        assert (buyer.billing.plan, buyer.billing.status) == ("team", "active")
        assert buyer.acts.count("billing.plan_bought") == 1
    else:
        assert buyer.billing.plan == "free"
        assert "did not confirm" in words(answer)[0]


def test_a_purchase_that_was_left_at_the_banks_question_can_begin_anew(buyer):
    buyer.buy("team", ASKS_ALWAYS)

    buyer.buy("business", PAYS)

    states = sorted(
        (one.status, one["items"].data[0].price.lookup_key) for one in subscriptions(buyer)
    )
    assert [state for state, _ in states] == ["active", "canceled"]
    assert buyer.billing.plan == "business"


def test_a_purchase_that_is_sent_twice_is_one(buyer):
    agreement = buyer.enter_card(PAYS)

    first = buyer.buy("team", setup_intent=agreement)
    second = buyer.buy("team", setup_intent=agreement)

    assert [first.status_code, second.status_code] == [302, 302]
    assert len(subscriptions(buyer)) == 1
    assert buyer.acts.count("billing.plan_bought") == 1


def test_the_agreement_of_another_customer_is_refused(buyer, globex, local_stripe):
    stranger = Buyer(globex, local_stripe)
    agreement = stranger.enter_card(PAYS)

    answer = buyer.buy("team", setup_intent=agreement)

    assert answer.status_code == 422
    assert buyer.billing.card_last4 == ""


def test_only_the_newest_card_is_kept_at_stripe(subscriber):
    subscriber.post("card/", setup_intent=subscriber.enter_card(ASKS_ONCE))

    cards = stripe.PaymentMethod.list(customer=subscriber.billing.stripe_customer_id, type="card")
    assert [one.card.last4 for one in cards.data] == ["3155"]
    assert subscriber.billing.card_last4 == "3155"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("country", "", "Choose the country."),
        ("country", "XX", "valid choice"),
        ("line1", "", "Enter the street"),
        ("tax_id", "FR12", "not a VAT id"),
        ("setup_intent", "", "Enter the card"),
        ("setup_intent", "seti_nobodys", "Enter it once more"),
    ],
)
def test_bad_input_is_answered_with_the_form(buyer, field, value, says):
    answer = buyer.buy("team", **{field: value})

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert buyer.billing.plan == "free"


def test_the_vat_id_goes_to_stripe_and_stays_there(buyer):
    buyer.buy("team", tax_id="de 123.456.789")

    [at_stripe] = stripe.Customer.list_tax_ids(buyer.billing.stripe_customer_id).data
    with tenant(buyer.account.pk):
        row = BillingAccount.objects.filter(account_id=buyer.account.pk).values().get()
    assert at_stripe.value == "DE123456789"
    assert "DE123456789" not in str(row)
    assert "DE123456789" in buyer.look("address/").content.decode()


def test_a_plan_that_is_not_sold_has_no_page(buyer):
    answers = [buyer.look(f"plans/{code}/").status_code for code in ("free", "self_hosted", "gold")]

    assert answers == [404, 404, 404]


def test_the_trial_needs_no_card_and_comes_once(buyer, words):
    first = buyer.post("trial/")
    page = buyer.look()
    second = buyer.post("trial/")

    assert "for 14 days" in words(first)[0]
    assert page.context["plan"].code == "team"
    assert "has had its trial" in words(second)[0]
    assert buyer.acts == ["billing.trial_started"]


def test_a_trial_that_is_over_leaves_the_free_plan(buyer):
    buyer.post("trial/")
    with tenant(buyer.account.pk):
        billing = buyer.billing
        billing.trial_until = billing.trial_until.replace(year=2020)
        billing.save()

    assert buyer.look().context["plan"].code == "free"


def test_the_page_of_the_card_alone_may_talk_to_stripe(subscriber, settings):
    settings.STRIPE_CSP = {"script-src": ["https://js.stripe.com"]}

    with_card, without = subscriber.look("card/"), subscriber.look()

    assert "js.stripe.com" in with_card["Content-Security-Policy"]
    assert "js.stripe.com" not in without["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["card/", "card/setup/", "address/", "cancellation/"])
def test_stripe_being_down_is_said_kindly_and_changes_nothing(
    subscriber, settings, monkeypatch, path
):
    settings.STRIPE_API_HOST = "http://127.0.0.1:9"
    monkeypatch.setattr(stripe_client, "RETRIES", 0)
    stripe_client.api.cache_clear()

    answer = subscriber.post(path, **ADDRESS, setup_intent="seti_1")

    assert answer.status_code == 503
    assert "Your dashboards, keys and incoming events work" in answer.content.decode()
    assert subscriber.look().status_code == 200
    assert (subscriber.billing.plan, subscriber.billing.card_last4) == ("team", "4242")


def test_two_purchases_at_once_are_one(committed, local_stripe):
    buyer = Buyer(open_company("Acme", "alice@acme.example"), local_stripe)
    agreement = buyer.enter_card(PAYS)

    def buy(_):
        try:
            return buyer.buy("team", setup_intent=agreement).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(buy, range(2)))

    assert len(subscriptions(buyer)) == 1
    assert buyer.billing.plan == "team"
    assert buyer.acts.count("billing.plan_bought") == 1
