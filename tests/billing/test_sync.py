"""What pages show of payment is what Stripe says, however and whenever it is announced."""

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from djstripe import models as mirrored
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.models import BillingAccount, InboxStatus, Invoice, StripeEvent
from billing.stripe import inbox, reconcile
from billing.stripe.record import RECONCILE, record, standing_changed
from llmcost.models import DueWork
from llmcost.tenancy.context import tenant
from tests.billing import objects
from tests.billing.conftest import event_about
from tests.conftest import open_company

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def paying(as_worker, acme, at_stripe):
    """Acme with a customer at Stripe, and all that it may have there."""
    fill(at_stripe)
    record(acme.account.pk, {"object": "customer", "id": "cus_1"})
    return acme


def fill(at_stripe) -> None:
    at_stripe.put(
        objects.customer(),
        objects.card(),
        objects.subscription(),
        objects.product(),
        objects.tax_id(),
        objects.invoice(),
    )


def every_event(at_stripe) -> list[dict[str, Any]]:
    return [
        event_about(one, name)
        for one in list(at_stripe.objects.values())
        for name in objects.ANNOUNCED.get(one["object"], [])
    ]


def row_of(company) -> BillingAccount:
    with tenant(company.account.pk):
        return BillingAccount.objects.get(account_id=company.account.pk)


def state_of(account_id: int) -> str:
    """Everything that is kept of an account's payment, as text, without when it was kept."""
    with tenant(account_id):
        kept: list[Any] = [
            {name: value for name, value in row.items() if name not in {"id", "synced_at"}}
            for model in (BillingAccount, Invoice)
            for row in model.objects.filter(account_id=account_id).order_by("pk").values()
        ]
    for model in (
        mirrored.Customer, mirrored.PaymentMethod, mirrored.Subscription,
        mirrored.SubscriptionItem, mirrored.TaxId, mirrored.Invoice, mirrored.LineItem,
    ):  # fmt: skip
        kept += [
            model.__name__,
            *model.objects.order_by("id").values_list("stripe_data", flat=True),
        ]
    return json.dumps(kept, default=str, sort_keys=True)


def test_what_pages_show_comes_with_the_announcements(paying, announce, at_stripe):
    for event in every_event(at_stripe):
        announce(event)

    inbox.work()

    row = row_of(paying)
    assert (row.plan, row.status, row.card_last4) == ("team", "active", "4242")
    assert row.billing_address == {
        "city": "Berlin", "country": "DE", "line1": "Street 1", "postal_code": "10115",
    }  # fmt: skip
    assert row.tax_id_status == "verified"
    assert row.period_end == datetime.fromtimestamp(objects.END, UTC)
    with tenant(paying.account.pk):
        [invoice] = Invoice.objects.filter(account_id=paying.account.pk)
    assert (invoice.number, invoice.status, invoice.currency) == ("ACME-0001", "paid", "usd")
    assert (invoice.subtotal, invoice.tax, invoice.total, invoice.overage) == (
        Decimal("56.00"), Decimal("10.64"), Decimal("66.64"), Decimal("7.00"),
    )  # fmt: skip
    assert invoice.billing_address["city"] == "Berlin"
    assert set(StripeEvent.objects.values_list("status", flat=True)) == {InboxStatus.DONE}


def test_shuffled_repeated_and_delayed_announcements_end_alike(paying, announce, at_stripe):
    in_order = every_event(at_stripe)

    def end_of(events: list[dict[str, Any]], stops: set[int]) -> str:
        with transaction.atomic():
            for place, event in enumerate(events):
                announce(event)
                if place in stops:
                    inbox.work()
            inbox.work()
            state = state_of(paying.account.pk)
            transaction.set_rollback(True)
        return state

    expected = end_of(in_order, set())

    @settings(max_examples=4)
    @given(
        shuffled=st.permutations([*in_order, *in_order[::3]]),
        stops=st.sets(st.integers(0, len(in_order)), max_size=3),
    )
    def ends_alike(shuffled: list[dict[str, Any]], stops: set[int]) -> None:
        assert end_of(shuffled, stops) == expected

    ends_alike()


@pytest.mark.parametrize("late", ["payment_method.attached", "payment_method.detached"])
def test_a_card_that_was_taken_away_leaves_no_digits(paying, announce, at_stripe, late):
    announce(event_about(objects.card(), "payment_method.attached"))
    announce(event_about(objects.customer(), "customer.updated"))
    inbox.work()
    assert row_of(paying).card_last4 == "4242"

    at_stripe.put(objects.card(customer=None), objects.customer(invoice_settings={}))
    announce(event_about(objects.card(customer=None), late))
    inbox.work()
    announce(event_about(objects.customer(), "customer.updated"))
    inbox.work()

    assert row_of(paying).card_last4 == ""
    assert mirrored.PaymentMethod.objects.count() == 0


def test_what_is_gone_at_stripe_is_gone_here(paying, announce, at_stripe):
    draft = objects.invoice("draft", 2)
    at_stripe.put(draft)
    for event in [*every_event(at_stripe), event_about(draft, "invoice.created")]:
        announce(event)
    inbox.work()

    del at_stripe.objects["in_2"], at_stripe.objects["txi_1"]
    at_stripe.put({"id": "cus_1", "object": "customer", "deleted": True})
    announce(event_about(draft, "invoice.deleted"))
    announce(event_about(objects.tax_id(), "customer.tax_id.deleted"))
    announce(event_about(objects.customer(), "customer.deleted"))
    inbox.work()

    row = row_of(paying)
    assert (row.tax_id_status, row.card_last4, row.billing_address) == ("none", "", {})
    with tenant(paying.account.pk):
        assert list(Invoice.objects.values_list("stripe_id", flat=True)) == ["in_1"]


@pytest.mark.parametrize(
    ("status", "plan"),
    [
        ("trialing", "team"), ("active", "team"), ("past_due", "team"), ("unpaid", "team"),
        ("incomplete", "free"), ("incomplete_expired", "free"), ("canceled", "free"),
    ],
)  # fmt: skip
def test_a_plan_is_used_while_it_is_paid_for(acme, status, plan):
    row = record(acme.account.pk, objects.customer(), objects.subscription(status))

    assert (row.status, row.plan) == (status, plan)
    assert (row.past_due_since is not None) == (status in {"past_due", "unpaid"})


def test_days_of_grace_begin_once_and_end_with_the_payment(acme):
    first = record(acme.account.pk, objects.subscription("past_due")).past_due_since

    assert record(acme.account.pk, objects.subscription("unpaid")).past_due_since == first
    assert record(acme.account.pk, objects.subscription("active")).past_due_since is None


def test_whoever_listens_hears_of_each_change_once(acme):
    heard = []

    def listen(*, before, after, **_: Any) -> None:
        heard.append((before.status, after.status))

    standing_changed.connect(listen)
    try:
        for status in ("trialing", "trialing", "active", "canceled"):
            record(acme.account.pk, objects.subscription(status))
    finally:
        standing_changed.disconnect(listen)

    assert heard == [("none", "trialing"), ("trialing", "active"), ("active", "canceled")]


def test_an_answer_of_the_api_is_written_by_a_page(acme, globex):
    """As the web's role, which has no right on the mirror: what has changed shows at once."""
    record(acme.account.pk, objects.customer(), objects.card(), objects.subscription())
    record(globex.account.pk, objects.customer(id="cus_2"))

    assert (row_of(acme).plan, row_of(acme).card_last4) == ("team", "4242")
    assert (row_of(globex).plan, row_of(globex).card_last4) == ("free", "")


def test_one_stripe_customer_is_one_accounts(acme, globex):
    record(acme.account.pk, objects.customer())

    with pytest.raises(Exception, match="billing_account_customer_once"), transaction.atomic():
        record(globex.account.pk, objects.customer())


def test_objects_of_somebody_elses_customer_reach_no_account(paying, globex, announce, at_stripe):
    at_stripe.put(
        objects.customer(id="cus_9"),
        objects.subscription(id="sub_9", customer="cus_9", plan="business"),
    )
    announce(
        event_about({"id": "sub_9", "object": "subscription"}, "customer.subscription.created")
    )

    assert inbox.work() == 1
    assert row_of(paying).status == "none"
    with tenant(globex.account.pk):
        assert not BillingAccount.objects.filter(account_id=globex.account.pk).exists()


# --- What goes wrong -------------------------------------------------------------------------
def test_stripe_away_is_tried_again_and_loses_nothing(paying, announce, at_stripe, log_lines):
    announce(event_about(objects.subscription(), "customer.subscription.created"))
    at_stripe.is_down = True

    assert inbox.work() == 0
    [event] = StripeEvent.objects.all()
    assert (event.status, event.attempts, event.error) == ("waiting", 1, "APIError")
    assert "CANARY" not in log_lines()

    at_stripe.is_down = False
    StripeEvent.objects.update(due_at=NOW - timedelta(days=1))
    assert inbox.work() == 1
    assert row_of(paying).plan == "team"


def test_a_poisonous_announcement_is_given_up_and_holds_up_no_other(
    paying, announce, at_stripe, log_lines
):
    at_stripe.put(objects.subscription(id="sub_bad", status=None, items=None))
    poison = {"id": "sub_bad", "object": "subscription", "customer": "cus_1"}
    announce(event_about(poison, "customer.subscription.updated"))
    announce(event_about(objects.customer(), "customer.updated"))

    for _ in range(inbox.MOST_ATTEMPTS + 1):
        StripeEvent.objects.update(due_at=NOW - timedelta(days=1))
        inbox.work()

    states = dict(StripeEvent.objects.values_list("object_id", "status"))
    assert states == {"sub_bad": InboxStatus.FAILED, "cus_1": InboxStatus.DONE}
    assert "stripe_event_given_up" in log_lines()
    assert Client().get("/readyz").json()["warnings"] == {
        "stripe_events": "1 of Stripe's announcements could not be followed"
    }


def test_a_killed_worker_is_followed_when_its_lease_ends(paying, announce, at_stripe):
    announce(event_about(objects.subscription(), "customer.subscription.created"))
    inbox._take()  # and dies

    assert inbox.work() == 0
    StripeEvent.objects.update(due_at=NOW - timedelta(days=1))
    assert inbox.work() == 1
    assert row_of(paying).plan == "team"


def test_many_workers_at_once_do_each_announcement_once(as_worker, committed, announce, at_stripe):
    acme = open_company("Acme", "alice@acme.example")
    fill(at_stripe)
    record(acme.account.pk, {"object": "customer", "id": "cus_1"})
    events = every_event(at_stripe)
    for event in events:
        announce(event)
    done: list[int] = []

    def run() -> None:
        try:
            done.append(inbox.work())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(done) == len(events)
    assert set(StripeEvent.objects.values_list("status", flat=True)) == {InboxStatus.DONE}
    assert (row_of(acme).plan, row_of(acme).card_last4) == ("team", "4242")


def test_old_announcements_are_forgotten(paying, announce):
    announce(event_about(objects.customer(), "customer.updated"))
    announce(event_about({"id": "ch_1", "object": "charge"}, "charge.updated"))
    StripeEvent.objects.update(due_at=NOW - timedelta(days=1000))

    inbox.forget()

    # What still waits is not old, however long it has waited.
    assert [one.type for one in StripeEvent.objects.all()] == ["customer.updated"]


# --- Reconciliation --------------------------------------------------------------------------
def test_the_nightly_reconciliation_finds_what_no_webhook_told(paying, at_stripe):
    assert "plan" in reconcile.reconcile(paying.account.pk)
    assert reconcile.reconcile(paying.account.pk) == []

    row = row_of(paying)
    assert (row.plan, row.status, row.card_last4, row.tax_id_status) == (
        "team", "active", "4242", "verified",
    )  # fmt: skip

    at_stripe.put(
        objects.subscription("canceled", ended_at=objects.END), objects.invoice("void"),
        objects.customer(invoice_settings={}),
    )  # fmt: skip
    del at_stripe.objects["pm_1"], at_stripe.objects["txi_1"]

    changed = reconcile.reconcile(paying.account.pk)

    assert set(changed) >= {"card_last4", "invoice in_1", "plan", "status", "tax_id_status"}


def test_reconciliation_is_due_once_a_day_for_whoever_pays(paying, globex, at_stripe):
    [due_at] = DueWork.objects.filter(kind=RECONCILE).values_list("due_at", flat=True)
    assert reconcile.reconcile_due() == 0

    DueWork.objects.filter(kind=RECONCILE).update(due_at=NOW - timedelta(days=365))
    assert reconcile.reconcile_due() == 1
    assert DueWork.objects.get(kind=RECONCILE).due_at >= due_at


def test_an_account_that_cannot_be_asked_for_comes_again_soon(paying, at_stripe, log_lines):
    DueWork.objects.filter(kind=RECONCILE).update(due_at=NOW - timedelta(days=365))
    at_stripe.is_down = True

    assert reconcile.reconcile_due() == 0
    assert "not_reconciled" in log_lines()
    assert "CANARY" not in log_lines()


def test_where_nothing_is_sold_stripe_is_not_asked(as_worker, db, settings, at_stripe):
    from billing import tasks

    settings.STRIPE_SECRET_KEY = ""
    for task in (tasks.work_inbox, tasks.reconcile_due, tasks.forget_events):
        task()

    assert at_stripe.asked == []


def test_the_web_role_does_not_see_whose_customer_somebody_is(acme, globex):
    from llmcost.tenancy.context import paying_customer

    record(acme.account.pk, objects.customer())

    with paying_customer("cus_1"), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM billing_account")
        assert cursor.fetchone() == (0,)


def test_stripe_away_holds_up_nobody_who_is_not_paying(acme, api, at_stripe):
    record(acme.account.pk, objects.customer(), objects.subscription())
    at_stripe.is_down = True
    person = Client()

    answers = [
        person.post("/login/", {"login": acme.owner.email, "password": "correct horse battery"}),
        person.get("/app/", follow=True),
        api(acme.key, "POST", "/v1/events", {"model": "m", "input_tokens": 1, "output_tokens": 1}),
        api(acme.key, "GET", "/v1/usage?from=2026-11-01&to=2026-12-01"),
    ]

    assert [answer.status_code for answer in answers] == [302, 200, 200, 200]
    assert at_stripe.asked == []
