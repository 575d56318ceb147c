"""An installation that a company runs for itself: no sign-up, no sale, an owner from the command line."""

import io
import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts.models import Account, Membership, Role, User
from billing.standing import plan_in_force, standing_of
from llmcost import clock
from llmcost.models import OutgoingMail
from llmcost.tenancy.context import signed_in, tenant

PASSWORD = "seven slow otters swim"
OWNER = ("--email", "Ada@Example.com", "--name", "Ada", "--company", "Engines")
FORM = {
    "name": "Eve",
    "email": "eve@example.com",
    "company": "Evil",
    "password1": PASSWORD,
    "accept": "on",
}


pytestmark = pytest.mark.django_db


@pytest.fixture
def self_hosted(settings):
    settings.SELF_HOSTED = True


def createowner(*arguments, password=None, monkeypatch=None):
    if password is not None:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        arguments = (*arguments, "--password-stdin")
    out = io.StringIO()
    call_command("createowner", *arguments, stdout=out)
    return out.getvalue()


def test_nobody_signs_up_and_no_page_offers_it(self_hosted, client):
    assert client.get("/")["Location"] == "/app/"
    for address in ("/login/", "/privacy/"):
        assert "Create account" not in client.get(address).content.decode()
    assert "by invitation" in client.get("/signup/").content.decode()

    client.post("/signup/", FORM)

    assert not User.objects.filter(email="eve@example.com").exists()


def test_who_is_invited_comes_in(self_hosted, acme, client):
    acme.client.post("/account/team/invitations/", {"email": "bob@acme.example", "role": "member"})
    link = re.search(r"/invitation/[^/\s]+/", OutgoingMail.objects.get().text)[0]

    client.post(f"{link}signup/", {"name": "Bob", "password1": PASSWORD, "accept": "on"})

    bob = User.objects.get(email="bob@acme.example")
    assert bob.accepted_policy_version  # which the form has asked for


def test_nothing_is_sold_and_nothing_is_limited(self_hosted, acme):
    assert acme.client.get("/account/billing/").status_code == 404
    assert acme.client.post("/account/billing/trial/").status_code == 404
    assert "/account/billing/" not in acme.client.get("/app/", follow=True).content.decode()

    with tenant(acme.account.pk):
        plan = plan_in_force(standing_of(acme.account.pk), clock.now())
    assert (plan.events, plan.members, plan.history_days) == (None, None, None)


def test_the_service_takes_sign_ups(client):
    assert "Create account" in client.get("/login/").content.decode()
    client.post("/signup/", FORM)
    assert User.objects.filter(email="eve@example.com").exists()


def test_the_first_account_is_made_on_the_command_line_and_signs_in(self_hosted, monkeypatch):
    said = createowner(*OWNER, password=PASSWORD, monkeypatch=monkeypatch)

    assert said.count("\n") == 1
    assert "/login/" in said
    ada = User.objects.get(email="ada@example.com")
    with signed_in(ada.pk):
        [membership] = Membership.objects.filter(user_id=ada.pk)
    assert membership.role == Role.OWNER
    with tenant(membership.account_id):
        assert Account.objects.get(pk=membership.account_id).name == "Engines"
    assert not ada.is_staff
    assert ada.accepted_policy_version == ""
    client = Client()
    signed = client.post("/login/", {"login": "ada@example.com", "password": PASSWORD})
    assert signed["Location"] == "/app/"
    assert client.get("/app/", follow=True).status_code == 200


def test_without_a_password_it_is_chosen_by_mail(self_hosted):
    assert "/password/reset/" in createowner(*OWNER)
    assert not User.objects.get(email="ada@example.com").has_usable_password()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--email", "ada", *OWNER[2:]), "valid email"),
        ((*OWNER[:3], " ", *OWNER[4:]), "--name takes"),
        ((*OWNER[:5], "x" * 201), "--company takes"),
        ((*OWNER[:5], "a\x00b"), "--company takes"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(arguments, said):
    with pytest.raises(CommandError, match=said):
        createowner(*arguments)

    assert not User.objects.exists()


def test_an_address_is_taken_once_and_a_weak_password_never(acme, monkeypatch):
    with pytest.raises(CommandError, match="already"):
        createowner("--email", "ALICE@acme.example", *OWNER[2:])
    with pytest.raises(CommandError, match="too short"):
        createowner(*OWNER, password="short", monkeypatch=monkeypatch)

    assert not User.objects.filter(email="ada@example.com").exists()


def test_limits_by_address_keep_no_address(client):
    client.post("/login/", {"login": "nobody@example.com", "password": "wrong"})

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(cache_key, ' ') FROM llmcost_cache")
        kept = cursor.fetchone()[0]
    assert kept
    assert "127.0.0.1" not in kept
