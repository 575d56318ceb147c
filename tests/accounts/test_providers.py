"""Signing in through a provider that this installation has registered with."""

import html
import re
from urllib.parse import urlsplit

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.core import mail
from django.test import Client

from accounts.models import Membership, Role, Session, User
from llmcost.tenancy.context import signed_in
from tests.conftest import sign_in
from tests.oidc import CLIENT_ID, CLIENT_SECRET, Provider, through

pytestmark = pytest.mark.django_db


@pytest.fixture
def oidc(provider, settings) -> Provider:
    """The provider as one that this installation has registered with."""
    app = {
        "provider_id": "oidc",
        "name": "Example ID",
        "client_id": CLIENT_ID,
        "secret": CLIENT_SECRET,
        "settings": {"server_url": provider.issuer},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}
    }
    return provider


def come_by_oidc(client: Client, **form):
    return through(client, client.post("/login/with/oidc/", form))


def test_without_a_provider_none_is_offered(client, acme):
    assert b"Continue with" not in client.get("/login/").content
    assert b"Continue with" not in client.get("/signup/").content
    for path in ("/login/google/", "/login/github/", "/login/with/oidc/", "/login/with/sso-x/"):
        assert client.post(path).status_code == 404
        assert client.get(f"{path}callback/", {"code": "x", "state": "x"}).status_code == 404


def test_signing_up_through_a_provider_asks_for_company_and_box(client, oidc):
    assert b"Continue with Example ID" in client.get("/signup/").content
    oidc.is_("7", "pat@new.example", email_verified=True)

    answer = come_by_oidc(client)
    assert answer["Location"] == "/signup/finish/"
    form = client.get("/signup/finish/").content.decode()
    assert 'value="pat@new.example"' in form
    assert client.post("/signup/finish/", {"name": "Pat"}).status_code == 422
    done = client.post(
        "/signup/finish/",
        {"name": "Pat", "company": "New", "accept": "on", "email": "alice@acme.example"},
    )

    assert done.status_code == 302
    user = User.objects.get()
    assert (user.email, user.name, user.has_usable_password()) == ("pat@new.example", "Pat", False)
    assert EmailAddress.objects.get().verified
    with signed_in(user.pk):
        assert Membership.objects.get(user=user).role == Role.OWNER
    assert client.get("/account/").status_code == 200


def test_nothing_of_the_provider_is_kept_but_its_number_of_the_person(client, oidc):
    oidc.is_("7", "pat@new.example", email_verified=True)
    come_by_oidc(client)
    client.post("/signup/finish/", {"name": "Pat", "company": "New", "accept": "on"})

    assert SocialAccount.objects.get().extra_data == {}
    assert not SocialToken.objects.exists()
    assert not SocialApp.objects.exists()
    assert "CANARY" not in str([row.get_decoded() for row in Session.objects.all()])


def test_a_known_address_signs_nobody_in(oidc, acme):
    client = Client()
    oidc.is_("7", "alice@acme.example", email_verified=True)
    come_by_oidc(client)

    answer = client.post("/signup/finish/", {"name": "Eve", "company": "Evil", "accept": "on"})

    assert answer["Location"] == "/confirm-email/"
    assert "_auth_user_id" not in client.session
    assert not SocialAccount.objects.exists()
    assert [message.subject for message in mail.outbox] == ["You already have an account"]


def test_an_address_that_the_provider_has_not_confirmed_is_confirmed_by_mail(client, oidc):
    oidc.is_("7", "pat@new.example", email_verified=False)
    come_by_oidc(client)

    answer = client.post(
        "/signup/finish/",
        {"name": "Pat", "company": "New", "accept": "on", "email": "pat@new.example"},
    )

    assert answer["Location"] == "/confirm-email/"
    assert "_auth_user_id" not in client.session
    assert mail.outbox[0].subject == "Confirm your e-mail address"


def test_a_signed_in_person_connects_a_provider_and_signs_in_by_it(oidc, acme):
    oidc.is_("7", "alice@elsewhere.example", email_verified=True)

    come_by_oidc(acme.client, process="connect")

    page = acme.client.get("/account/security/providers/").content.decode()
    assert "Connected. You can sign in this way" in page
    assert mail.outbox[-1].subject == "A new way to sign in was added"
    client = Client()
    assert come_by_oidc(client)["Location"] == "/app/"
    assert client.session["_auth_user_id"] == str(acme.owner.pk)

    acme.client.post("/account/security/providers/", {"account": SocialAccount.objects.get().pk})
    assert mail.outbox[-1].subject == "A way to sign in was removed"
    assert come_by_oidc(Client())["Location"] == "/signup/finish/"


def test_the_last_way_to_sign_in_stays(oidc, acme):
    oidc.is_("7", "alice@elsewhere.example")
    come_by_oidc(acme.client, process="connect")
    acme.owner.set_unusable_password()
    acme.owner.save()
    client = sign_in(acme.owner)

    answer = client.post(
        "/account/security/providers/", {"account": SocialAccount.objects.get().pk}
    )

    assert answer.status_code == 422
    assert b"This is your only way to sign in." in answer.content


@pytest.mark.parametrize(
    "lie", [{"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1_700_000_000}]
)
def test_an_answer_that_is_not_for_us_signs_nobody_in(client, oidc, lie):
    oidc.is_("7", "pat@new.example")
    oidc.lies = lie

    answer = come_by_oidc(client)

    assert b"That did not work" in answer.content
    assert "_auth_user_id" not in client.session
    assert client.get("/signup/finish/").status_code == 302


def test_an_answer_without_its_state_or_a_second_time_is_refused(client, oidc):
    oidc.is_("7", "pat@new.example")
    start = client.post("/login/with/oidc/")
    target = html.unescape(re.search(r'url=([^"]+)"', start.content.decode())[1])
    back = urlsplit(httpx.get(target).headers["Location"])

    assert b"That did not work" in Client().get(f"{back.path}?{back.query}").content
    assert client.get(f"{back.path}?{back.query}").status_code == 302
    assert b"That did not work" in client.get(f"{back.path}?{back.query}").content


@pytest.mark.parametrize("target", ["//evil.example", "https:evil.example", "/\\evil.example"])
def test_a_provider_never_leads_away(oidc, acme, target):
    oidc.is_("7", "alice@elsewhere.example")
    come_by_oidc(acme.client, process="connect")

    assert come_by_oidc(Client(), next=target)["Location"] == "/app/"


def test_who_cancels_is_told(client, oidc):
    start = client.post("/login/with/oidc/")
    state = re.search(r"state=(\w+)", start.content.decode())[1]

    answer = client.get(
        "/login/with/oidc/callback/", {"error": "access_denied", "state": state}, follow=True
    )

    assert b"Sign-in cancelled" in answer.content
