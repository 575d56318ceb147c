"""Another plan, the end of one, and a card that stops paying."""

from datetime import timedelta

import pytest
import stripe
from django.core import mail
from django.test import Client

from accounts.models import Membership, User
from accounts.services import close_account
from accounts.team.conditions import member_limit
from billing.models import BillingAccount, Invoice
from billing.plans import BUSINESS
from billing.services import changes, failure
from billing.stripe import client as stripe_client
from llmcost import clock, outbox
from llmcost.tenancy.context import tenant
from tests.billing.shop.conftest import ASKS_ALWAYS, FAILS_LATER, PASSWORD, PAYS


@pytest.fixture
def failing(subscriber):
    """A subscriber whose next month could not be paid."""
    subscriber.post("card/", setup_intent=subscriber.enter_card(FAILS_LATER))
    subscriber.local.renew(subscriber.billing.stripe_subscription_id)
    fetch(subscriber)
    assert subscriber.billing.status == "past_due"
    return subscriber


def fetch(buyer):
    """What the worker does when Stripe announces a change."""
    from billing.stripe.record import record

    current = stripe.Subscription.retrieve(buyer.billing.stripe_subscription_id)
    record(buyer.account.pk, current)


def overdue_for(buyer, **age):
    with tenant(buyer.account.pk):
        BillingAccount.objects.filter(account_id=buyer.account.pk).update(
            past_due_since=clock.now() - timedelta(**age)
        )
    failure.look_after(buyer.account.pk)


def invoices(buyer):
    with tenant(buyer.account.pk):
        return list(Invoice.objects.filter(account_id=buyer.account.pk).order_by("pk"))


# --- Another plan ----------------------------------------------------------------------------
def test_the_invoice_of_a_change_is_what_was_shown(subscriber):
    page = subscriber.look("plans/business/")
    shown = page.context["preview"]

    subscriber.change("business", quote=page.context["quote"])

    newest = invoices(subscriber)[-1]
    at_stripe = stripe.Invoice.retrieve(newest.stripe_id)
    assert newest.total == shown.total > 0
    assert [line.amount for line in at_stripe.lines.data] == [
        int(line.amount * 100) for line in shown.lines
    ]
    assert subscriber.billing.plan == "business"
    assert subscriber.acts[-1] == "billing.plan_changed"


def test_a_smaller_plan_leaves_credit(subscriber):
    subscriber.change("business")

    page = subscriber.look("plans/team/")
    subscriber.change("team", quote=page.context["quote"])

    customer = stripe.Customer.retrieve(subscriber.billing.stripe_customer_id)
    assert page.context["preview"].credit > 0
    assert -customer.balance == int(page.context["preview"].credit * 100)
    assert subscriber.billing.plan == "team"


def test_a_change_that_is_sent_twice_is_billed_once(subscriber):
    quote = subscriber.look("plans/business/").context["quote"]

    subscriber.change("business", quote=quote)
    subscriber.change("business", quote=quote)

    assert len(invoices(subscriber)) == 2  # the purchase and the change
    assert subscriber.acts.count("billing.plan_changed") == 1


@pytest.mark.parametrize("quote", ["", "made up", "WyJidXNpbmVzcyIsMV0:1:x"])
def test_the_moment_of_a_change_cannot_be_chosen(subscriber, quote):
    subscriber.change("business", quote=quote)

    assert subscriber.billing.plan == "team"


def test_a_declined_change_leaves_the_plan_and_no_debt(subscriber, words):
    subscriber.post("card/", setup_intent=subscriber.enter_card(FAILS_LATER))

    answer = subscriber.change("business")

    current = stripe.Subscription.retrieve(subscriber.billing.stripe_subscription_id)
    open_ones = stripe.Invoice.list(customer=subscriber.billing.stripe_customer_id).data
    assert "declined the card, so the plan stays" in words(answer)[-1]
    assert (subscriber.billing.plan, subscriber.billing.status) == ("team", "active")
    assert current["items"].data[0].price.lookup_key == "llmcost_team_usd_4900"
    assert [one.status for one in open_ones if one.status == "open"] == []


@pytest.mark.parametrize("agree", [True, False])
def test_a_change_waits_for_the_holder(subscriber, agree):
    subscriber.post("card/", setup_intent=subscriber.enter_card(ASKS_ALWAYS))
    answer = subscriber.change("business")
    assert answer["Location"] == "/account/billing/payment/"
    assert subscriber.billing.plan == "team"
    secret = subscriber.look("payment/").context["payment"].client_secret

    subscriber.local.answer_bank(secret, agree=agree)
    subscriber.post("payment/")

    assert subscriber.billing.plan == ("business" if agree else "team")
    assert subscriber.billing.status == "active"
    assert subscriber.acts.count("billing.plan_changed") == int(agree)


# --- The end of a plan -----------------------------------------------------------------------
def test_a_canceled_plan_stays_until_its_month_ends(subscriber):
    subscriber.post("cancellation/")
    page = subscriber.look().content.decode()
    still = subscriber.billing

    subscriber.local.renew(still.stripe_subscription_id)
    fetch(subscriber)

    assert (still.plan, still.cancel_at_period_end) == ("team", True)
    assert "Team is canceled and ends on" in page
    assert subscriber.billing.plan == "free"
    assert subscriber.look().context["plan"].code == "free"


def test_a_cancellation_can_be_taken_back(subscriber):
    subscriber.post("cancellation/")
    subscriber.post("resumption/")

    subscriber.local.renew(subscriber.billing.stripe_subscription_id)
    fetch(subscriber)

    assert (subscriber.billing.plan, subscriber.billing.status) == ("team", "active")
    assert subscriber.acts[-2:] == ["billing.plan_canceled", "billing.plan_resumed"]


def test_who_has_left_can_buy_again(subscriber):
    subscriber.post("cancellation/")
    subscriber.local.renew(subscriber.billing.stripe_subscription_id)
    fetch(subscriber)

    subscriber.buy("business", PAYS)

    assert (subscriber.billing.plan, subscriber.billing.status) == ("business", "active")


def test_without_a_plan_there_is_nothing_to_cancel_or_resume(buyer):
    assert buyer.post("cancellation/").status_code == 302
    assert buyer.post("resumption/").status_code == 302
    assert buyer.acts == []


def test_a_closed_account_ends_its_subscription_once(subscriber):
    for _ in range(2):
        changes.end_at_stripe(subscriber.account.pk)

    current = stripe.Subscription.retrieve(subscriber.billing.stripe_subscription_id)
    assert current.status == "canceled"
    assert subscriber.acts.count("billing.plan_ended") == 1


def test_closing_the_account_ends_its_subscription_also_when_stripe_was_away(
    subscriber, settings, monkeypatch
):
    here = settings.STRIPE_API_HOST
    with tenant(subscriber.account.pk):
        close_account(subscriber.account.pk, by=subscriber.company.owner)
    settings.STRIPE_API_HOST = "http://127.0.0.1:9"
    monkeypatch.setattr(stripe_client, "RETRIES", 0)
    stripe_client.api.cache_clear()
    changes.end_closed()
    still = subscriber.billing.status
    settings.STRIPE_API_HOST = here
    stripe_client.api.cache_clear()
    later = clock.now() + timedelta(minutes=6)
    monkeypatch.setattr(clock, "now", lambda: later)

    changes.end_closed()

    assert (still, subscriber.billing.status) == ("active", "canceled")
    assert subscriber.acts[-1] == "billing.plan_ended"


# --- Who may ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("role", "sees", "pays"),
    [("admin", 200, 403), ("billing", 200, 302), ("member", 403, 403), ("read_only", 403, 403)],
)
def test_each_role_sees_and_pays_as_the_table_of_rights_says(subscriber, role, sees, pays):
    with tenant(subscriber.account.pk):
        other = User.objects.create_user(f"{role}@acme.example", PASSWORD, name=role)
        other.emailaddress_set.create(email=other.email, verified=True, primary=True)
        Membership.objects.create(account=subscriber.account, user=other, role=role)
    client = Client()
    client.post("/login/", {"login": other.email, "password": PASSWORD})

    assert client.get("/account/billing/").status_code == sees
    assert client.post("/account/billing/resumption/").status_code == pays


def test_the_plan_says_how_many_members_there_may_be(subscriber):
    with tenant(subscriber.account.pk):
        on_team = member_limit(subscriber.account.pk)
    subscriber.change("business")
    with tenant(subscriber.account.pk):
        on_business = member_limit(subscriber.account.pk)

    assert (on_team, on_business) == (10, None)


# --- A payment that fails --------------------------------------------------------------------
def test_days_of_grace_begin_with_a_mail(failing):
    failure.look_after(failing.account.pk)
    failure.look_after(failing.account.pk)
    outbox.send_due()

    assert [one.to for one in mail.outbox] == [["alice@acme.example"]]
    assert "could not be paid" in mail.outbox[0].subject
    assert failing.fresh_account().is_read_only is False
    assert failing.look().context["plan"].code == "team"


def test_after_the_grace_the_account_is_read_only_and_opens_when_paid(failing, words):
    overdue_for(failing, days=10)
    suspended = failing.fresh_account()
    refused = failing.client.post(f"/app/{failing.company.project.slug}/keys/", {"name": "x"})

    answer = failing.post("card/", setup_intent=failing.enter_card(PAYS))

    assert suspended.suspended_at is not None
    assert refused.status_code == 403
    assert "What was overdue is paid" in words(answer)[-1]
    assert failing.fresh_account().suspended_at is None
    assert (failing.billing.status, failing.billing.past_due_since) == ("active", None)
    assert failing.acts[-4:] == [
        "billing.suspended",
        "billing.card_changed",
        "billing.suspension_lifted",
        "billing.overdue_paid",
    ]


def test_three_reminders_and_then_the_end_of_the_grace(failing, monkeypatch):
    since = failing.billing.past_due_since
    for hours in range(0, 12 * 24, 7):
        monkeypatch.setattr(clock, "now", lambda hours=hours: since + timedelta(hours=hours))
        failure.look_after(failing.account.pk)
    outbox.send_due()

    subjects = [one.subject for one in mail.outbox]
    assert len(subjects) == 4
    assert sum("could not be paid" in one for one in subjects) == 3
    assert "read-only" in subjects[-1]


def test_a_card_that_is_declined_opens_nothing(failing):
    overdue_for(failing, days=10)

    answer = failing.post("card/", setup_intent=failing.enter_card(FAILS_LATER))

    assert answer.status_code == 422
    assert "Your bank declined the card" in answer.content.decode()
    assert failing.fresh_account().suspended_at is not None


def test_a_subscription_that_ended_unpaid_opens_nothing_until_it_is_paid(failing):
    overdue_for(failing, days=10)
    stripe.Subscription.cancel(failing.billing.stripe_subscription_id)
    fetch(failing)
    still = failing.fresh_account().suspended_at

    failing.post("card/", setup_intent=failing.enter_card(PAYS))

    assert still is not None
    assert failing.fresh_account().suspended_at is None


def test_a_plan_cannot_be_changed_while_a_payment_fails(failing, words):
    answer = failing.look("plans/business/")

    assert "Your last payment has failed, so the plan cannot be changed now" in words(answer)[-1]
    with pytest.raises(changes.PaymentFailing):
        changes.preview_change(failing.account, BUSINESS, at=clock.now())
