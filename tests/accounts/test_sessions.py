"""Sessions and the password that begins them: seen, ended, and of what nothing is kept."""

import re

import pytest
from django.core import mail
from django.test import Client

from accounts.models import Session, User
from tests.accounts.oneself import NEW_PASSWORD, PASSWORD, enter, trail

pytestmark = pytest.mark.django_db


def test_one_sees_and_ends_ones_sessions(acme):
    other, _ = enter()
    page = acme.client.get("/account/security/").content.decode()
    assert page.count("Another browser") == 1
    assert "by password" in page
    handle = re.search(r"sessions/(\w+)/end/", page.replace("sessions/end/", ""))[1]
    assert handle not in Session.objects.values_list("session_key", flat=True)

    acme.client.post(f"/account/security/sessions/{handle}/end/")

    assert other.get("/account/")["Location"] == "/login/?next=/account/"
    assert acme.client.get("/account/").status_code == 200


def test_one_ends_all_others_at_once(acme, globex):
    others = [enter()[0] for _ in range(2)]

    acme.client.post("/account/security/sessions/end/")

    assert [other.get("/account/").status_code for other in others] == [302, 302]
    assert acme.client.get("/account/").status_code == 200
    assert globex.client.get("/account/").status_code == 200


def test_signing_out_ends_the_session_for_good(acme):
    key = acme.client.session.session_key
    thief = Client()
    thief.cookies["session"] = key

    acme.client.post("/logout/")

    assert not Session.objects.filter(session_key=key).exists()
    assert thief.get("/account/").status_code == 302


def test_neither_address_nor_browser_of_anybody_is_kept(acme):
    Client(HTTP_USER_AGENT="Mosaic/CANARY", REMOTE_ADDR="198.51.100.77").post(
        "/login/", {"login": "alice@acme.example", "password": PASSWORD}
    )

    kept = [row.get_decoded() for row in Session.objects.all()]
    assert len(kept) == 2
    assert "CANARY" not in str(kept)
    assert "198.51.100.77" not in str([kept, trail(acme)])
    assert ("member.signed_in", {"by_way_of": "password"}) in trail(acme)


def test_a_new_password_ends_the_other_sessions(acme):
    other, _ = enter()
    before = acme.client.session.session_key

    answer = acme.client.post(
        "/account/password/", {"oldpassword": PASSWORD, "password1": NEW_PASSWORD}, follow=True
    )

    assert b"Your password is saved." in answer.content
    assert acme.client.session.session_key != before
    assert list(Session.objects.values_list("session_key", flat=True)) == [
        acme.client.session.session_key
    ]
    assert other.get("/account/").status_code == 302
    assert mail.outbox[-1].subject == "Your password was changed"
    assert trail(acme)[-1] == ("member.password_changed", {})


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"oldpassword": "wrong", "password1": NEW_PASSWORD}, "current password"),
        ({"oldpassword": PASSWORD, "password1": "short"}, "12 characters"),
        ({}, "Enter your current password."),
    ],
)
def test_a_refused_password_says_why(acme, form, words):
    answer = acme.client.post("/account/password/", form)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert User.objects.get(pk=acme.owner.pk).check_password(PASSWORD)
