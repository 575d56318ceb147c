"""Signing in through an account's own provider."""

import html
import re
from datetime import timedelta

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.db import connection as database
from django.test import Client

from accounts.models import Account, AuditEvent, Membership, Role, SsoConnection, User
from accounts.sso import connections
from llmcost.tenancy.context import tenant
from llmcost.web import outgoing
from tests.conftest import prove_again, sign_in
from tests.oidc import CLIENT_ID, CLIENT_SECRET, through

SETUP = "/account/security/sso/"
NEEDED = "/login/sso/needed/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def form(provider) -> dict[str, str]:
    return {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "domains": "acme.example",
        "default_role": "",
    }


@pytest.fixture
def bob(acme) -> User:
    """A member of Acme."""
    user = User.objects.create_user("bob@acme.example", "correct horse battery", name="Bob")
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    with tenant(acme.account.pk):
        Membership.objects.create(account=acme.account, user=user, role=Role.MEMBER)
    return user


def come_by_sso(client: Client, email: str):
    return through(client, client.post("/login/sso/", {"email": email}))


def give_factor(company) -> None:
    company.owner.authenticator_set.create(type="webauthn", data={"name": "Key"})


def require(company, form) -> None:
    give_factor(company)
    assert company.client.post(SETUP, form | {"required": "on"})["Location"] == SETUP


def test_an_owner_sets_it_up_and_its_secret_is_sealed(acme, form):
    page = acme.client.get(SETUP).content.decode()
    assert f"/login/with/sso-{acme.account.public_id}/callback/" in page

    assert acme.client.post(SETUP, form)["Location"] == SETUP
    assert acme.client.post(SETUP, form | {"client_secret": ""})["Location"] == SETUP

    with tenant(acme.account.pk):
        stored = SsoConnection.objects.get(account_id=acme.account.pk)
        trail = list(AuditEvent.objects.filter(account_id=acme.account.pk, action="sso.saved"))
    assert stored.client_secret.startswith("gAAAA")
    assert connections.app_of(stored).secret == CLIENT_SECRET
    assert CLIENT_SECRET not in acme.client.get(SETUP).content.decode()
    assert len(trail) == 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("domains", "globex.example", "No owner or admin has a confirmed address"),
        ("domains", "acme.example gmail.com", "gmail.com"),
        ("issuer", "http://127.0.0.1:9", "no OpenID Connect provider at this address"),
        ("issuer", "ftp://example.com", "no OpenID Connect provider at this address"),
        ("client_secret", "", "Enter the client secret."),
        ("required", "on", "Set up a second factor for yourself first"),
        ("default_role", "owner", "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_refused(acme, form, field, value, words):
    answer = acme.client.post(SETUP, form | {field: value})

    assert answer.status_code == 422
    assert words in html.unescape(answer.content.decode())
    with tenant(acme.account.pk):
        assert not SsoConnection.objects.filter(account_id=acme.account.pk).exists()


def test_an_issuer_that_calls_itself_otherwise_is_refused(acme, form, provider):
    answer = acme.client.post(
        SETUP, form | {"issuer": provider.issuer.replace("127.0.0.1", "localhost")}
    )

    assert b"says that it is another issuer" in answer.content


def test_a_domain_belongs_to_one_account(acme, globex, form):
    acme.client.post(SETUP, form)
    globex.owner.emailaddress_set.create(email="carol@acme.example", verified=True)

    answer = globex.client.post(SETUP, form)

    assert answer.status_code == 422
    assert b"Another account has set up single sign-on" in answer.content


def test_members_are_found_by_address_and_let_in(acme, bob, form, provider):
    acme.client.post(SETUP, form)
    provider.is_("42", "bob@acme.example")
    client = Client()

    answer = come_by_sso(client, "bob@acme.example")

    assert answer["Location"] == "/app/"
    assert client.session["_auth_user_id"] == str(bob.pk)
    assert mail.outbox[-1].to == ["bob@acme.example"]
    assert mail.outbox[-1].subject == "A new way to sign in was added"
    provider.is_("42", "robert@acme.example")  # a new address there; the number counts
    assert come_by_sso(Client(), "robert@acme.example")["Location"] == "/app/"


def test_the_answer_to_an_address_depends_on_its_domain_alone(acme, bob, form):
    acme.client.post(SETUP, form)
    known, unknown = (
        Client().post("/login/sso/", {"email": email})
        for email in ("bob@acme.example", "nobody@acme.example")
    )
    strip = re.compile(r"(?:state|code_challenge)=[^&\"]+|value=\"\w{64}\"")

    assert strip.sub("", known.content.decode()) == strip.sub("", unknown.content.decode())
    assert Client().post("/login/sso/", {"email": "carol@globex.example"}).status_code == 422


def test_a_provider_speaks_for_its_own_domains_only(acme, globex, form, provider):
    acme.client.post(SETUP, form | {"default_role": "member"})
    provider.is_("1", "carol@globex.example", email_verified=True)
    client = Client()

    answer = come_by_sso(client, "x@acme.example")

    assert answer["Location"] == "/login/sso/"
    assert b"outside the domains" in client.get("/login/sso/").content
    assert "_auth_user_id" not in client.session
    assert not SocialAccount.objects.exists()


def test_who_is_no_member_is_refused_unless_the_owner_lets_new_people_in(acme, form, provider):
    acme.client.post(SETUP, form)
    provider.is_("5", "new@acme.example")
    refused = Client()
    assert come_by_sso(refused, "new@acme.example")["Location"] == "/login/sso/"
    assert b"You are not a member of this account." in refused.get("/login/sso/").content

    acme.client.post(SETUP, form | {"default_role": "read_only"})
    client = Client()
    assert come_by_sso(client, "new@acme.example")["Location"] == "/signup/finish/"
    page = client.get("/signup/finish/").content.decode()
    assert "Company" not in page
    assert client.post("/signup/finish/", {"name": "Nell"}).status_code == 422
    done = client.post("/signup/finish/", {"name": "Nell", "accept": "on"})

    assert done["Location"] == "/app/"
    with tenant(acme.account.pk):
        member = Membership.objects.get(account_id=acme.account.pk, user__email="new@acme.example")
    assert member.role == Role.READ_ONLY
    assert Account.objects.count() == 0  # outside of any account nobody sees one
    assert User.objects.get(email="new@acme.example").name == "Nell"


def test_a_removed_member_does_not_come_back(acme, bob, form, provider):
    acme.client.post(SETUP, form)
    provider.is_("42", "bob@acme.example")
    come_by_sso(Client(), "bob@acme.example")
    with tenant(acme.account.pk):
        Membership.objects.filter(account_id=acme.account.pk, user=bob).delete()

    client = Client()
    assert come_by_sso(client, "bob@acme.example")["Location"] == "/login/sso/"
    assert "_auth_user_id" not in client.session


def test_such_a_session_opens_that_account_and_no_other(acme, globex, bob, form, provider):
    """Whoever runs Acme's provider can be Bob at Acme; at Globex they must be nobody."""
    with tenant(globex.account.pk):
        Membership.objects.create(account=globex.account, user=bob, role=Role.ADMIN)
    acme.client.post(SETUP, form)
    provider.is_("42", "bob@acme.example")
    client = Client()
    come_by_sso(client, "bob@acme.example")
    session = client.session
    session["account_id"] = globex.account.pk  # as the switch between accounts sets it
    session.save()

    assert client.get("/app/", follow=True).context["request"].account == acme.account


@pytest.mark.parametrize(
    "path",
    [
        "/account/email/", "/account/password/set/", "/account/security/app/",
        "/account/security/passkeys/add/", "/account/security/providers/",
    ],
)  # fmt: skip
def test_such_a_session_changes_nothing_of_the_person(acme, bob, form, provider, path):
    acme.client.post(SETUP, form)
    provider.is_("42", "bob@acme.example")
    client = Client()
    come_by_sso(client, "bob@acme.example")

    assert client.get(path)["Location"] == f"/reauthenticate/?next={path}"


def test_it_is_no_way_to_add_to_another_person(acme, globex, form, provider):
    acme.client.post(SETUP, form)
    provider.is_("42", "alice@acme.example")
    name = connections.provider_name(acme.account)

    start = globex.client.post(f"/login/with/{name}/", {"process": "connect"})
    through(globex.client, start)

    assert not SocialAccount.objects.filter(user=globex.owner).exists()


# --- Required --------------------------------------------------------------------------------
def test_other_sessions_of_members_do_not_open_the_account(acme, bob, form, provider):
    client = sign_in(bob)
    assert client.get("/app/prod/keys/").status_code == 200
    require(acme, form)

    assert client.get("/app/prod/keys/")["Location"] == NEEDED
    assert client.post("/app/prod/keys/", {"name": "x"})["Location"] == NEEDED
    assert b"Acme wants its single sign-on" in client.get(NEEDED).content
    provider.is_("42", "bob@acme.example")
    through(client, client.post(NEEDED))
    assert client.get("/app/prod/keys/").status_code == 200


def test_the_owner_comes_in_with_a_second_factor_should_the_provider_fail(acme, form):
    require(acme, form)
    assert acme.client.get(SETUP)["Location"] == NEEDED

    session = acme.client.session
    session["account_authentication_methods"] = [
        *session["account_authentication_methods"],
        {
            "method": "mfa",
            "type": "webauthn",
            "at": session["account_authentication_methods"][0]["at"],
        },
    ]
    session.save()

    assert acme.client.get(SETUP).status_code == 200
    assert acme.client.post(f"{SETUP}remove/")["Location"] == SETUP
    assert sign_in(acme.owner).get("/app/prod/keys/").status_code == 200


def test_another_accounts_single_sign_on_does_not_open_it(acme, globex, form, provider):
    require(acme, form)
    with tenant(globex.account.pk):
        Membership.objects.create(account=globex.account, user=acme.owner, role=Role.MEMBER)
    client = sign_in(acme.owner)
    session = client.session
    session["sso_account_id"] = globex.account.pk
    session["account_id"] = acme.account.pk
    session.save()

    assert client.get("/app/", follow=True).context["request"].account == globex.account


def test_keys_of_programs_work_on(acme, form, api):
    require(acme, form)

    answer = api(acme.key, "GET", "/v1/usage?from=2026-01-01&to=2026-02-01")

    assert answer.status_code == 200


def test_setting_it_up_asks_again_who_one_is(acme, form):
    prove_again(acme.client, acme.owner, ago=timedelta(hours=1).total_seconds())

    assert acme.client.post(SETUP, form)["Location"].startswith("/reauthenticate/")


def test_only_the_owner_sets_it_up(acme, bob, form):
    assert sign_in(bob).get(SETUP).status_code == 403
    assert sign_in(bob).post(f"{SETUP}remove/").status_code == 403


def test_nobody_sees_another_accounts_connection_without_its_name(acme, globex, form):
    acme.client.post(SETUP, form)

    with tenant(globex.account.pk):
        assert not SsoConnection.objects.exists()
    assert not SsoConnection.objects.exists()
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_ssodomain")
        assert cursor.fetchone() == (0,)
    assert connections.connection_of("sso-" + "0" * 8) is None
    assert connections.connection_for("x@acme.example").account_id == acme.account.pk


# --- Asking addresses that a customer chose --------------------------------------------------
@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/",
        "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://192.168.1.1/",
        "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://2130706433/", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_no_address_behind_our_walls_is_asked(address):
    with outgoing.session(private=False) as asking, pytest.raises(requests.RequestException):
        asking.get(address)


def test_redirects_are_not_followed_and_long_answers_not_read(provider, monkeypatch):
    monkeypatch.setattr(provider, "userinfo", lambda _: {"long": "x" * 1_000_001})
    monkeypatch.setattr(provider, "authorize", lambda _: "http://127.0.0.1:9/")

    with outgoing.session(private=True) as asking:
        assert asking.get(f"{provider.issuer}/authorize").status_code == 302
        with pytest.raises(outgoing.Unreachable, match="too long"):
            asking.get(f"{provider.issuer}/userinfo")


def test_a_walled_installation_refuses_an_issuer_inside(acme, form, settings, provider):
    settings.SSO_PRIVATE_NETWORK = False

    assert acme.client.post(SETUP, form).status_code == 422
    assert provider.asked == []
