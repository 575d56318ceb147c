"""What reaches the webhook's address is believed only when signed, and kept as ids only."""

import json
import time

import pytest
from django.test import Client

from billing.models import InboxStatus, StripeEvent
from billing.stripe.webhook import MAX_BODY_BYTES
from tests.billing.conftest import event_about

pytestmark = pytest.mark.usefixtures("db", "at_stripe")
CUSTOMER = {"id": "cus_1", "object": "customer", "name": "CANARY-name", "email": "CANARY@x.example"}


def test_of_an_announcement_only_ids_are_kept(announce):
    event = event_about(
        {"id": "sub_1", "object": "subscription", "customer": CUSTOMER, "note": "CANARY"},
        "customer.subscription.updated",
        created=1_800_000_000,
    )

    answer = announce(event)

    assert answer.status_code == 200
    [row] = StripeEvent.objects.values()
    assert (row.pop("created").timestamp(), bool(row.pop("due_at"))) == (1_800_000_000, True)
    assert row == {
        "event_id": event["id"],
        "type": "customer.subscription.updated",
        "object_id": "sub_1",
        "customer_id": "cus_1",
        "livemode": False,
        "status": InboxStatus.WAITING,
        "attempts": 0,
        "error": "",
    }


def test_a_repeat_is_one_row(announce):
    event = event_about(CUSTOMER, "customer.updated")

    assert [announce(event).status_code for _ in range(3)] == [200, 200, 200]
    assert StripeEvent.objects.count() == 1


def test_what_changes_nothing_here_is_noted_and_not_fetched(announce):
    announce(event_about({"id": "ch_1", "object": "charge"}, "charge.succeeded"))
    announce(event_about({"object": "invoice", "lines": []}, "invoice.upcoming"))

    assert set(StripeEvent.objects.values_list("status", flat=True)) == {InboxStatus.IGNORED}


def test_either_of_two_secrets_signs_while_one_is_replaced(announce):
    event = event_about(CUSTOMER, "customer.updated")

    assert announce(event, secret="whsec_old").status_code == 200
    assert announce(event, secret="whsec_older").status_code == 400


def test_an_old_signature_is_not_taken_again(announce):
    event = event_about(CUSTOMER, "customer.updated")

    assert announce(event, at=int(time.time()) - 290).status_code == 200
    assert announce(event, at=int(time.time()) - 310).status_code == 400


REFUSED = {
    "forged": ({"headers": {"Stripe-Signature": "t=1,v1=00"}}, {}),
    "not signed": ({"headers": {"Stripe-Signature": ""}}, {}),
    "a signature that is no text": ({"headers": {"Stripe-Signature": "t=1,v1=\xff"}}, {}),
    "signed with another secret": ({"secret": "whsec_CANARY"}, {}),
    "of the other mode": ({}, {"livemode": True}),
    "of no mode": ({}, {"livemode": None}),
    "without id": ({}, {"id": None}),
    "with a NUL in its id": ({}, {"id": "evt_\0"}),
    "with a NUL in its type": ({}, {"type": "customer.\0"}),
    "with a long id": ({}, {"id": "e" * 256}),
    "with a time beyond time": ({}, {"created": 10**30}),
    "about nothing": ({}, {"data": {"object": "CANARY"}}),
}


@pytest.mark.parametrize(("how", "changes"), REFUSED.values(), ids=REFUSED)
def test_refused_and_not_stored(announce, log_lines, how, changes):
    answer = announce(event_about(CUSTOMER, "customer.updated", **changes), **how)

    assert answer.status_code == 400
    assert StripeEvent.objects.count() == 0
    assert "CANARY" not in log_lines()
    assert "CANARY" not in answer.content.decode()


@pytest.mark.parametrize(
    "body", [b"", b"CANARY", b"[]", b"null", b"[" * 100_000, b'"\0CANARY"', b'{"id": "evt_1"}']
)
def test_signed_junk_is_refused(announce, log_lines, body):
    assert announce(body).status_code == 400
    assert StripeEvent.objects.count() == 0
    assert "CANARY" not in log_lines()


def test_bytes_that_are_no_text_are_refused():
    answer = Client().post(
        "/billing/webhook/",
        b"\xff\xfe",
        content_type="application/json",
        headers={"Stripe-Signature": "t=1,v1=00"},
    )

    assert answer.status_code == 400


def test_a_body_over_half_a_mebibyte_is_refused_unread(announce):
    event = event_about(CUSTOMER | {"pad": ""}, "customer.updated")
    event["data"]["object"]["pad"] = "x" * (MAX_BODY_BYTES - len(json.dumps(event)))

    assert announce(event).status_code == 200
    event["data"]["object"]["pad"] += "x"
    assert announce(event).status_code == 413


def test_an_id_that_is_none_of_stripes_is_left_out(announce):
    announce(event_about({"id": "a\0b", "object": "customer"}, "customer.updated"))

    assert StripeEvent.objects.get().object_id == ""


def test_the_address_takes_posts_alone_and_sets_no_cookie(announce):
    assert Client().get("/billing/webhook/").status_code == 405
    answer = announce(event_about(CUSTOMER, "customer.updated"))
    assert answer.cookies == {}


def test_whoever_sends_it_leaves_no_trace(announce, log_lines):
    announce(
        event_about(CUSTOMER, "customer.updated"),
        headers={
            "Cookie": "session=CANARY",
            "Authorization": "Bearer CANARY",
            "X-Forwarded-For": "CANARY",
            "User-Agent": "CANARY",
        },
    )

    assert "CANARY" not in log_lines()
    assert "CANARY" not in json.dumps(list(StripeEvent.objects.values()), default=str)
