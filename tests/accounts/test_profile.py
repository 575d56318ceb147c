"""A person's own pages: name and address, limits on their forms, and our design everywhere."""

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.template.loader import get_template
from django.test import Client
from django.urls import get_resolver, reverse

from accounts.models import User
from llmcost.tenancy.context import tenant
from tests.accounts.oneself import PASSWORD, enter, trail, turn_on_app
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


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
