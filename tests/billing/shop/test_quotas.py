"""Where an account stops: exact, at every moment, whoever else sends."""

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
import stripe
from django.core import mail
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from billing.models import Overage
from billing.plans import FREE, TEAM
from billing.services import metering
from events.ingest import quota
from events.rollups.fold import fold
from llmcost import clock, outbox
from llmcost.tenancy.context import tenant
from tests.conftest import open_company

CALL = {"model": "gpt-4o", "input_tokens": 1, "output_tokens": 1}


def batch(size, **fields):
    return [{**CALL, "event_id": str(uuid.uuid4()), **fields} for _ in range(size)]


@pytest.fixture
def small(acme):
    """Acme, which stops at ten calls a month."""
    quota.stop_at(acme.account.pk, 10)
    return acme


def used(company, at=None):
    with tenant(company.account.pk):
        return quota.calls_of_month(company.account.pk, quota.month_of(at or clock.now()))


def send(api, company, events):
    return api(company.key, "POST", "/v1/events", events)


# --- The edge --------------------------------------------------------------------------------
@pytest.mark.parametrize("folded", [False, True])
def test_the_request_that_reaches_the_limit_is_taken_and_the_next_refused(small, api, folded):
    first, second = send(api, small, batch(9)), send(api, small, batch(5))
    if folded:
        fold(small.account.pk)

    third = send(api, small, batch(1))

    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 402]
    assert used(small) == 14


def test_the_refusal_says_what_is_used_what_is_included_and_when_it_resets(small, api):
    send(api, small, batch(10))

    error = send(api, small, batch(1)).json()["error"]

    month = quota.month_of(clock.now())
    assert error["code"] == "quota_exceeded"
    assert (error["used"], error["included"]) == (10, 10)
    assert error["resets_at"] == quota.next_month(month).isoformat()
    assert "10 of 10 calls" in error["message"]


def test_a_repeat_of_what_is_stored_is_no_refusal(small, api):
    events = batch(10)
    send(api, small, events)

    again = send(api, small, events)
    mixed = send(api, small, [*events, *batch(1)])

    assert again.json()["duplicates"] == 10
    assert mixed.status_code == 402


def test_another_month_has_a_limit_of_its_own(small, api):
    send(api, small, batch(10))

    earlier = send(api, small, batch(10, created_at="2026-01-31T23:59:59Z"))
    full = send(api, small, batch(1, created_at="2026-01-01T00:00:00Z"))
    next_one = send(api, small, batch(1, created_at="2026-02-01T00:00:00Z"))

    assert [earlier.status_code, full.status_code, next_one.status_code] == [200, 402, 200]


def test_who_has_no_limit_is_never_refused(acme, globex, api):
    quota.stop_at(globex.account.pk, 0)

    assert send(api, acme, batch(50)).status_code == 200
    assert send(api, globex, batch(1)).status_code == 402


def test_a_limit_that_is_lifted_lets_calls_in_at_once(small, api):
    send(api, small, batch(10))
    refused = send(api, small, batch(1)).status_code

    quota.stop_at(small.account.pk, None)

    assert (refused, send(api, small, batch(1)).status_code) == (402, 200)


def test_the_month_is_what_usage_says(small, api):
    send(api, small, batch(4))
    fold(small.account.pk)
    send(api, small, batch(3))

    start = quota.month_of(clock.now())
    answer = api(
        small.key, "GET", f"/v1/usage?from={start:%Y-%m-%d}&to={quota.next_month(start):%Y-%m-%d}"
    )
    assert answer.json()["data"][0]["calls"] == used(small) == 7


def test_the_limit_costs_ingest_no_statement(acme, api):
    send(api, acme, batch(1))  # what a process learns once

    with CaptureQueriesContext(connection) as without:
        send(api, acme, batch(1))
    quota.stop_at(acme.account.pk, 1_000)
    with CaptureQueriesContext(connection) as limited:
        send(api, acme, batch(1))

    def of_ours(found):
        return [one for one in found if not re.match("SAVEPOINT|RELEASE|BEGIN|COMMIT", one["sql"])]

    assert len(of_ours(limited)) == len(of_ours(without))


def turns_taken(api, company):
    """How many turns a request takes, by the locks that it leaves to its transaction."""
    with transaction.atomic():
        send(api, company, batch(1))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            )
            return cursor.fetchone()[0]


def test_turns_are_taken_near_the_limit_only(acme, api):
    quota.stop_at(acme.account.pk, 2_000_000)
    far = turns_taken(api, acme)
    set_calls(acme, quota.month_of(clock.now()), 1_400_000)

    near = turns_taken(api, acme)

    assert (far, near) == (0, 1)


def test_many_at_once_pass_the_limit_by_less_than_one_request(committed, api):
    acme = open_company("Acme", "alice@acme.example")
    quota.stop_at(acme.account.pk, 100)

    def one(_):
        try:
            return send(api, acme, batch(7)).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(40)))

    assert used(acme) == 105  # the first multiple of 7 that is not below 100
    assert answers.count(200) == 15
    assert answers.count(402) == 25


# --- Plans and limits ------------------------------------------------------------------------
def limit_of(buyer):
    with tenant(buyer.account.pk), connection.cursor() as cursor:
        cursor.execute(
            "SELECT calls FROM events_allowance WHERE account_id = %s", [buyer.account.pk]
        )
        row = cursor.fetchone()
        return row and row[0]


def test_a_plan_moves_the_limit_and_paying_for_more_lifts_it(buyer):
    limits = [limit_of(buyer)]
    buyer.post("trial/")
    limits.append(limit_of(buyer))
    buyer.buy("team")
    limits.append(limit_of(buyer))
    buyer.post("limit/", at_limit="pay")
    limits.append(limit_of(buyer))
    buyer.post("limit/", at_limit="stop")
    limits.append(limit_of(buyer))

    assert limits == [FREE.events, TEAM.events, TEAM.events, None, TEAM.events]


def test_the_end_of_a_trial_brings_the_free_limit_back(buyer, monkeypatch):
    buyer.post("trial/")
    later = clock.now() + timedelta(days=15)
    monkeypatch.setattr(clock, "now", lambda: later)

    metering.look_at_due()

    assert limit_of(buyer) == FREE.events


def test_the_free_plan_cannot_pay_for_more(buyer):
    buyer.post("limit/", at_limit="pay")

    assert limit_of(buyer) == FREE.events


def test_where_nothing_is_sold_nobody_stops(db):
    acme = open_company("Acme", "alice@acme.example")

    metering.look(acme.account.pk)

    with tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM events_allowance WHERE account_id = %s", [acme.account.pk]
        )
        assert cursor.fetchone() == (0,)


# --- Warnings --------------------------------------------------------------------------------
def set_calls(buyer, month, calls):
    """What so many calls leave, without sending two million."""
    with tenant(buyer.account.pk), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_month (account_id, month, calls) VALUES (%s, %s, %s)"
            " ON CONFLICT (account_id, month) DO UPDATE SET calls = excluded.calls",
            [buyer.account.pk, month, calls],
        )


def test_warnings_come_once_a_month_at_80_and_at_100_per_cent(buyer):
    month = quota.month_of(clock.now())
    for calls in (79_999, 80_000, 80_001, 99_999, 100_000, 130_000):
        set_calls(buyer, month, calls)
        metering.look(buyer.account.pk)
    outbox.send_due()

    assert [one.subject for one in mail.outbox] == [
        "Acme has used 80 % of this month’s calls",
        "Acme has used all calls of this month’s plan",
    ]


# --- Overage ---------------------------------------------------------------------------------
MONTH = quota.month_of(clock.now())
CLOSED = quota.next_month(MONTH) + metering.CLOSES_AFTER


@pytest.fixture
def heavy(subscriber):
    """A subscriber of Team who pays for more and used 2,500,000 calls in a month."""
    subscriber.post("limit/", at_limit="pay")
    set_calls(subscriber, MONTH, 2_500_000)
    return subscriber


def bill(buyer, monkeypatch, at, times=1):
    monkeypatch.setattr(clock, "now", lambda: at)
    return [metering.bill_closed_month(buyer.account.pk) for _ in range(times)]


def test_overage_is_billed_once_however_often_it_is_tried(heavy, monkeypatch):
    amounts = bill(heavy, monkeypatch, CLOSED, times=3)

    pending = stripe.InvoiceItem.list(customer=heavy.billing.stripe_customer_id).data
    assert amounts == [Decimal("15.00"), 0, 0]
    assert [(one.amount, one.metadata["events"]) for one in pending] == [(1500, "500000")]
    assert heavy.acts.count("billing.overage_billed") == 1


def test_overage_whose_answer_was_lost_is_billed_once(heavy, monkeypatch):
    bill(heavy, monkeypatch, CLOSED)
    with tenant(heavy.account.pk):
        Overage.objects.filter(account_id=heavy.account.pk).update(stripe_item_id="")

    bill(heavy, monkeypatch, CLOSED)

    assert len(stripe.InvoiceItem.list(customer=heavy.billing.stripe_customer_id).data) == 1


def test_overage_stands_on_the_next_invoice(heavy, monkeypatch):
    bill(heavy, monkeypatch, CLOSED)

    heavy.local.renew(heavy.billing.stripe_subscription_id)

    newest = stripe.Subscription.retrieve(
        heavy.billing.stripe_subscription_id, expand=["latest_invoice"]
    ).latest_invoice
    assert newest.total == 4900 + 1500


def test_a_month_is_not_billed_before_it_is_closed_and_late_calls_not_after(heavy, monkeypatch):
    early = bill(heavy, monkeypatch, CLOSED - timedelta(minutes=1))
    billed = bill(heavy, monkeypatch, CLOSED)
    set_calls(heavy, MONTH, 9_000_000)
    late = bill(heavy, monkeypatch, CLOSED + timedelta(days=1))

    assert (early, billed, late) == ([0], [Decimal("15.00")], [0])


def test_who_stops_at_the_limit_is_never_billed_for_more(subscriber, monkeypatch):
    set_calls(subscriber, MONTH, 2_009_999)

    assert bill(subscriber, monkeypatch, CLOSED) == [0]


def test_who_moved_to_a_smaller_plan_keeps_what_the_larger_one_included(heavy, monkeypatch):
    heavy.change("business")
    heavy.change("team")

    assert bill(heavy, monkeypatch, CLOSED) == [0]
