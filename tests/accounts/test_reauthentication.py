"""Proving it is still them, before what cannot be undone."""

from datetime import timedelta

import pytest
from django.core import mail

from tests.accounts.oneself import APP, PASSWORD, code_of, enter
from tests.conftest import prove_again, sign_in

EVIL = ["//evil.example", "https:evil.example", "/\\evil.example", "javascript:alert(1)"]
pytestmark = pytest.mark.django_db


def test_who_has_just_signed_in_is_not_asked_again(acme):
    client, _ = enter()

    assert client.get(APP).status_code == 200


def test_after_a_while_one_proves_it_again_and_comes_back(acme):
    prove_again(acme.client, acme.owner, ago=timedelta(hours=1).total_seconds())
    asked = acme.client.get(APP)
    assert asked["Location"] == "/reauthenticate/?next=/account/security/app/"

    wrong = acme.client.post(asked["Location"], {"password": "wrong"})
    right = acme.client.post(asked["Location"], {"password": PASSWORD})

    assert wrong.status_code == 422
    assert right["Location"] == APP
    assert acme.client.get(APP).status_code == 200


def test_a_form_sent_too_late_changes_nothing_and_is_not_kept(acme):
    prove_again(acme.client, acme.owner, ago=timedelta(hours=1).total_seconds())

    answer = acme.client.post(
        "/account/email/",
        {"email": "alice@new.example", "action_add": ""},
        HTTP_REFERER="http://testserver/account/email/",
    )

    assert answer["Location"] == "/reauthenticate/?next=/account/email/"
    assert "new.example" not in str(dict(acme.client.session.items()))
    back = acme.client.post(answer["Location"], {"password": PASSWORD})
    assert back["Location"] == "/account/email/"
    assert mail.outbox == []


@pytest.mark.parametrize("referer", ["https://evil.example/", "javascript:alert(1)", "", "//evil"])
def test_the_way_back_is_ours_whatever_the_browser_says(acme, referer):
    prove_again(acme.client, acme.owner, ago=timedelta(hours=1).total_seconds())

    answer = acme.client.post("/account/email/", {}, HTTP_REFERER=referer)

    assert answer["Location"] == "/reauthenticate/?next=/account/"


@pytest.mark.parametrize("target", EVIL)
def test_proving_it_never_leads_away(acme, target):
    answer = acme.client.post("/reauthenticate/", {"password": PASSWORD, "next": target})

    assert answer["Location"] == "/app/"


def test_a_code_proves_it_too(acme, app):
    answer = acme.client.post(
        "/reauthenticate/code/", {"code": code_of(app[0]), "next": "/account/security/"}
    )

    assert answer["Location"] == "/account/security/"


def test_tries_to_prove_it_are_limited(acme):
    answers = [
        acme.client.post("/reauthenticate/", {"password": "wrong"}).status_code for _ in range(12)
    ]

    assert answers[0] == 422
    assert answers[-1] == 429


def test_without_password_and_factor_one_signs_in_again(acme):
    acme.owner.set_unusable_password()
    acme.owner.save()
    client = sign_in(acme.owner)
    prove_again(client, acme.owner, ago=timedelta(hours=1).total_seconds())

    page = client.get("/account/password/set/", follow=True)

    assert page.redirect_chain == [("/reauthenticate/?next=/account/password/set/", 302)]
    assert b"Sign in again" in page.content
    assert b'value="/login/?next=%2Faccount%2Fpassword%2Fset%2F"' in page.content
