"""A person's own pages: profile, second factors, sessions, and proving it is still them."""

import json
import re
import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.fernet import Fernet
from django.core import mail
from django.core.cache import cache
from django.template.loader import get_template
from django.test import Client
from django.urls import get_resolver, reverse

from accounts.models import AuditEvent, Session, User
from llmcost.tenancy.context import tenant
from tests.conftest import prove_again, sign_in

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a completely new one"
APP = "/account/security/app/"
CODES = "/account/security/recovery-codes/"
EVIL = ["//evil.example", "https:evil.example", "/\\evil.example", "javascript:alert(1)"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_limits_used_up():
    cache.clear()


def code_of(secret: str, *, steps: int = 0) -> str:
    """What the person's authenticator app shows, `steps` half minutes from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def turn_on_app(client, django_capture_on_commit_callbacks) -> tuple[str, list[str]]:
    """Set the app up as a person would; return its secret and the recovery codes."""
    page = client.get(APP).content.decode()
    secret = re.search(r'id="totp-secret">([A-Z2-7]{32})<', page)[1]
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(APP, {"code": code_of(secret, steps=-1)})
    assert answer["Location"] == CODES
    shown = client.get(CODES).content.decode()
    return secret, re.findall(r"^(?:.*>)?(\d{8})$", shown, re.MULTILINE)


@pytest.fixture
def app(acme, django_capture_on_commit_callbacks):
    """Alice's authenticator app, with her ten recovery codes."""
    return turn_on_app(acme.client, django_capture_on_commit_callbacks)


def trail(company) -> list[tuple[str, dict]]:
    with tenant(company.account.pk):
        events = AuditEvent.objects.filter(
            account_id=company.account.pk, action__startswith="member."
        )
        return [(event.action, event.details) for event in events.order_by("pk")]


def enter(email="alice@acme.example", password=PASSWORD) -> tuple[Client, object]:
    client = Client()
    return client, client.post("/login/", {"login": email, "password": password})


# --- Second factors --------------------------------------------------------------------------
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


# --- Sessions --------------------------------------------------------------------------------
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


# --- Name and address ------------------------------------------------------------------------
def test_the_name_can_be_changed(acme):
    acme.client.post("/account/", {"name": "Alice B."})
    refused = acme.client.post("/account/", {"name": ""})

    assert User.objects.get(pk=acme.owner.pk).name == "Alice B."
    assert refused.status_code == 422
    assert b"Enter your name." in refused.content


def link_of(message) -> str:
    return re.search(r"http://127\.0\.0\.1:8000(/confirm-email/\S+)", message.body)[1]


def test_the_old_address_holds_until_the_new_one_is_confirmed(acme):
    acme.client.post("/account/email/", {"email": "alice@new.example", "action_add": ""})
    assert mail.outbox[-1].to == ["alice@new.example"]
    assert enter()[1]["Location"] == "/app/"
    assert b"waits for its confirmation" in acme.client.get("/account/").content

    acme.client.post(link_of(mail.outbox[-1]))

    assert User.objects.get(pk=acme.owner.pk).email == "alice@new.example"
    assert mail.outbox[-1].subject == "Your e-mail address was changed"
    assert mail.outbox[-1].to == ["alice@acme.example"]
    assert enter()[1].status_code == 422
    assert enter("alice@new.example")[1]["Location"] == "/app/"
    assert trail(acme)[-2][0] == "member.email_changed"


def test_a_change_of_address_can_be_taken_back(acme):
    acme.client.post("/account/email/", {"email": "alice@new.example", "action_add": ""})
    link = link_of(mail.outbox[-1])
    acme.client.post("/account/email/", {"email": "alice@new.example", "action_remove": ""})

    assert Client().post(link).status_code == 404
    assert User.objects.get(pk=acme.owner.pk).email == "alice@acme.example"


def test_another_persons_address_looks_like_any_other(acme, globex):
    known = acme.client.post("/account/email/", {"email": "carol@globex.example", "action_add": ""})
    page = acme.client.get("/account/email/").content.decode()
    acme.client.post("/account/email/", {"email": "carol@globex.example", "action_remove": ""})
    acme.client.get("/account/")  # where the message of that is shown
    cache.clear()
    free = acme.client.post("/account/email/", {"email": "nobody@globex.example", "action_add": ""})
    other = acme.client.get("/account/email/").content.decode()

    assert (known.status_code, known["Location"]) == (free.status_code, free["Location"])
    token = re.compile(r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")[^"]*')
    assert token.sub("", page).replace("carol@", "nobody@") == token.sub("", other)


def test_a_second_factor_is_no_hindrance_to_a_new_address(acme, app):
    acme.client.post("/account/email/", {"email": "alice@new.example", "action_add": ""})

    assert mail.outbox[-1].to == ["alice@new.example"]


# --- Is it still them? -----------------------------------------------------------------------
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


# --- Staff and people without an account -----------------------------------------------------
def test_somebody_without_an_account_has_these_pages_too(db, django_capture_on_commit_callbacks):
    staff = User.objects.create_user("sue@support.example", PASSWORD, name="Sue", is_staff=True)
    staff.emailaddress_set.create(email=staff.email, verified=True, primary=True)
    client = sign_in(staff)

    for path in ("/account/", "/account/security/", "/account/password/", "/account/email/"):
        assert client.get(path).status_code == 200
    assert len(turn_on_app(client, django_capture_on_commit_callbacks)[1]) == 10


def test_a_person_in_two_accounts_is_in_both_trails(acme, globex):
    from accounts.models import Membership, Role

    with tenant(globex.account.pk):
        Membership.objects.create(account=globex.account, user=acme.owner, role=Role.MEMBER)
    enter()

    assert [trail(company)[-1][0] for company in (acme, globex)] == ["member.signed_in"] * 2


# --- Limits, and pages of our own design everywhere ------------------------------------------
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/account/", 10),
        ("/account/password/", 5),
        ("/account/email/", 10),
        ("/account/security/sessions/end/", 10),
    ],
)
def test_a_form_sent_too_often_is_refused(acme, path, allowed):
    form = {"action_add": "", "email": "not an address"}
    answers = [acme.client.post(path, form).status_code for _ in range(allowed + 1)]

    assert 429 not in answers[:allowed]
    assert answers[allowed] == 429


@pytest.mark.parametrize(
    ("path", "allowed"), [("/login/sso/", 30), ("/login/passkey/", 10), ("/login/google/", 30)]
)
def test_a_visitor_who_tries_too_often_is_refused(client, path, allowed):
    answers = [client.post(path, {"email": "x@y.example"}).status_code for _ in range(allowed + 1)]

    assert 429 not in answers[:allowed]
    assert answers[allowed] == 429


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


ALLAUTH = re.compile(r"^(account|mfa|socialaccount|google|github|openid_connect)_")
NAMED = {
    pattern.name: pattern
    for pattern in get_resolver().url_patterns
    for pattern in getattr(pattern, "url_patterns", [pattern])
    if ALLAUTH.match(getattr(pattern, "name", None) or "")
}
ARGUMENTS = {"key": "x", "uidb36": "1", "pk": 1, "provider_id": "oidc"}


def test_every_template_of_allauths_pages_is_ours(settings):
    assert len(NAMED) > 25
    for name, pattern in NAMED.items():
        view = getattr(pattern.callback, "view_class", None)
        template = getattr(view, "template_name", None)
        if template and name != "mfa_login_webauthn":  # which shows no page of its own
            origin = get_template(template).origin.name
            assert origin.startswith(str(settings.BASE_DIR / "templates")), name


def test_every_page_of_allauth_that_can_be_reached_has_our_layout(acme, app):
    half_way, _ = enter()
    assert b'<header class="site' in half_way.get("/login/second-factor/").content
    seen = set()
    for name, pattern in NAMED.items():
        parts = {part: ARGUMENTS[part] for part in pattern.pattern.regex.groupindex}
        for client in (Client(), sign_in(acme.owner)):
            answer = client.get(reverse(name, kwargs=parts))
            assert answer.status_code < 500, name
            if answer.content and answer.status_code != 405:
                seen.add(name)
                text = answer.content.decode()
                assert '<header class="site' in text or '<header class="sidebar' in text, name

    assert {"mfa_reauthenticate", "mfa_deactivate_totp", "account_email"} <= seen
    assert {"socialaccount_login_error", "mfa_add_webauthn"} <= seen
