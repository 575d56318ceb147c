"""Second factors: set up, asked for, used once, taken away."""

import json
import re

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.core import mail
from django.test import Client

from accounts.models import Session
from tests.accounts.oneself import (
    APP,
    CODES,
    NEW_PASSWORD,
    code_of,
    enter,
    trail,
    turn_on_app,
)

pytestmark = pytest.mark.django_db


def test_the_app_is_asked_for_after_the_password(acme, app):
    secret, _ = app
    client, answer = enter()
    assert answer["Location"] == "/login/second-factor/"
    assert client.get("/account/").status_code == 302

    wrong = client.post("/login/second-factor/", {"code": "000000"})
    right = client.post("/login/second-factor/", {"code": code_of(secret)})

    assert wrong.status_code == 422
    assert b"This did not match" in wrong.content
    assert right["Location"] == "/app/"
    assert client.get("/account/").status_code == 200


def test_no_secret_stands_in_the_clear(acme, django_capture_on_commit_callbacks):
    page = acme.client.get(APP).content.decode()
    secret = re.search(r'id="totp-secret">([A-Z2-7]{32})<', page)[1]
    assert secret not in str(acme.client.session.items())
    refused = acme.client.post(APP, {"code": "12"}).content.decode()
    assert secret in refused  # the same picture, so that what was scanned stays right

    with django_capture_on_commit_callbacks(execute=True):
        acme.client.post(APP, {"code": code_of(secret)})
    acme.client.get(CODES)

    stored = {factor.type: factor.data for factor in Authenticator.objects.all()}
    assert secret not in str(stored)
    assert stored["totp"]["secret"].startswith("gAAAA")
    assert stored["recovery_codes"]["seed"].startswith("gAAAA")


def test_an_authenticator_works_on_after_the_keys_were_rotated(acme, app, settings):
    settings.ENCRYPTION_KEYS = [*settings.ENCRYPTION_KEYS, Fernet.generate_key().decode()]
    client, _ = enter()

    assert client.post("/login/second-factor/", {"code": code_of(app[0])})["Location"] == "/app/"


def test_a_code_works_once(acme, app):
    code = code_of(app[0])
    first, second = enter()[0], enter()[0]

    assert first.post("/login/second-factor/", {"code": code}).status_code == 302
    assert second.post("/login/second-factor/", {"code": code}).status_code == 422


def test_recovery_codes_are_shown_once_and_work_once(acme, app):
    _, codes = app
    assert len(set(codes)) == 10
    again = acme.client.get(CODES)
    assert again.status_code == 404
    assert not any(code in again.content.decode() for code in codes)

    answers = []
    for _ in range(2):
        client, _ = enter()
        answers.append(client.post("/login/second-factor/", {"code": codes[3]}).status_code)

    assert answers == [302, 422]
    assert b"9 of 10 left" in acme.client.get("/account/security/").content


def test_new_recovery_codes_void_the_old(acme, app, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        made = acme.client.post(f"{CODES}new/", follow=True).content.decode()
    client, _ = enter()

    assert client.post("/login/second-factor/", {"code": app[1][0]}).status_code == 422
    fresh = re.search(r"(\d{8})\n", made)[1]
    assert client.post("/login/second-factor/", {"code": fresh}).status_code == 302


def test_tries_of_codes_are_limited(acme, app):
    for _ in range(6):
        client, _ = enter()
        answer = client.post("/login/second-factor/", {"code": "000000"})

    assert answer.status_code == 429
    client, _ = enter()
    assert client.post("/login/second-factor/", {"code": code_of(app[0])}).status_code == 429


def test_turning_it_off_needs_only_the_password_again(
    acme, app, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = acme.client.post(f"{APP}remove/", follow=True)

    assert b"The authenticator app is off." in answer.content
    assert not Authenticator.objects.exists()
    assert enter()[1]["Location"] == "/app/"


def test_the_session_gets_a_new_key_when_factors_change(acme, django_capture_on_commit_callbacks):
    before = acme.client.session.session_key
    turn_on_app(acme.client, django_capture_on_commit_callbacks)
    between = acme.client.session.session_key
    with django_capture_on_commit_callbacks(execute=True):
        acme.client.post(f"{APP}remove/")

    assert len({before, between, acme.client.session.session_key}) == 3
    assert not Session.objects.filter(session_key__in=[before, between]).exists()


def test_each_change_is_mailed_and_stands_in_the_trail_without_address_or_browser(
    acme, app, django_capture_on_commit_callbacks
):
    for path in (f"{CODES}new/", f"{APP}remove/"):
        with django_capture_on_commit_callbacks(execute=True):
            acme.client.post(path)

    assert [message.subject for message in mail.outbox] == [
        "Authenticator app turned on",
        "New recovery codes were made",
        "Authenticator app turned off",
    ]
    assert all(message.to == ["alice@acme.example"] for message in mail.outbox)
    assert "127.0.0.1:8000/password/reset/" in mail.outbox[0].body
    assert trail(acme) == [
        ("member.factor_added", {"factor": "authenticator app"}),
        ("member.factor_added", {"factor": "recovery code"}),
        ("member.recovery_codes_renewed", {}),
        ("member.factor_removed", {"factor": "authenticator app"}),
        ("member.factor_removed", {"factor": "recovery code"}),
    ]


def test_a_new_password_by_mail_does_not_pass_the_second_factor(acme, app):
    visitor = Client()
    visitor.post("/password/reset/", {"email": "alice@acme.example"})
    link = re.search(r"http://127\.0\.0\.1:8000(/password/reset/key/\S+)", mail.outbox[-1].body)[1]
    form = visitor.get(link, follow=True)
    visitor.post(form.redirect_chain[-1][0], {"password1": NEW_PASSWORD})

    assert visitor.get("/account/").status_code == 302
    assert enter(password=NEW_PASSWORD)[1]["Location"] == "/login/second-factor/"


def test_a_passkey_nobody_knows_answers_alike_whoever_it_names(client, acme):
    from allauth.account.utils import user_pk_to_url_str
    from fido2.utils import websafe_encode

    answers = []
    for handle in (user_pk_to_url_str(acme.owner), "zzzzzz"):
        client.get("/login/passkey/", HTTP_ACCEPT="application/json")
        credential = {
            "id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": "e30", "authenticatorData": websafe_encode(bytes(37)),
                "signature": "AAAA", "userHandle": websafe_encode(handle.encode()),
            },
        }  # fmt: skip
        answer = client.post("/login/passkey/", {"credential": json.dumps(credential)})
        text = client.get(answer["Location"]).content.decode()
        answers.append((answer.status_code, answer["Location"], "This did not match." in text))

    assert answers == [(302, "/login/", True)] * 2
