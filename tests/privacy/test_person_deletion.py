"""Who asks for it is forgotten at once, by themselves, and nobody else is touched."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import AuditEvent, Membership, Role, User
from llmcost.tenancy.context import signed_in, tenant
from privacy.models import Kind, Thread
from privacy.requests.services import ask_as_member
from tests.accounts.staff import employ
from tests.conftest import prove_again, sign_in

PAGE = "/account/deletion/"
SURE = {"confirmation": "delete"}


pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(acme, globex) -> User:
    """Who belongs to two companies, owns neither, and has written to us."""
    user = User.objects.create_user("bob@acme.example", "correct horse battery", name="Bob Ross")
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    for company in (acme, globex):
        with tenant(company.account.pk):
            Membership.objects.create(account=company.account, user=user, role=Role.MEMBER)
    ask_as_member(user, kind=Kind.OTHER, text="Hello")
    return user


def places_of(user: User) -> int:
    with signed_in(user.pk):
        return Membership.objects.filter(user_id=user.pk).count()


def test_who_asks_is_gone_everywhere_at_once(bob, acme, globex):
    browser, elsewhere = sign_in(bob), sign_in(bob)
    page = browser.get(PAGE).content.decode()
    assert "Acme" in page
    assert "Globex" in page

    done = browser.post(PAGE, SURE, follow=True)

    assert done.redirect_chain == [("/privacy/deleted/", 302)]
    assert "are gone from here" in done.content.decode()
    for client in (browser, elsewhere):
        assert client.get("/app/")["Location"].startswith("/login/")
    bob.refresh_from_db()
    assert (bob.name, bob.is_active, bob.has_usable_password()) == ("", False, False)
    assert not User.objects.filter(email="bob@acme.example").exists()
    assert not bob.emailaddress_set.exists()
    assert not Thread.objects.exists()
    assert places_of(bob) == 0
    for company in (acme, globex):
        with tenant(company.account.pk):
            left = AuditEvent.objects.get(account_id=company.account.pk, action="member.left")
            assert left.user_id == bob.pk
        assert company.client.get("/account/team/").status_code == 200
    # The address is free: whoever comes again is somebody new.
    User.objects.create_user("bob@acme.example", "correct horse battery", name="Bob")


def test_who_belongs_to_no_account_can_go_too(bob, acme, globex):
    for company in (acme, globex):
        with tenant(company.account.pk):
            Membership.objects.filter(account_id=company.account.pk, user=bob).delete()
    browser = sign_in(bob)
    assert "You belong to no account." in browser.get(PAGE).content.decode()

    browser.post(PAGE, SURE)

    assert not User.objects.filter(email="bob@acme.example").exists()


def test_an_owner_hands_over_or_closes_first(acme, bob):
    page = acme.client.get(PAGE).content.decode()
    assert "no owner but you" in page
    assert "Delete me for good" not in page

    refused = acme.client.post(PAGE, SURE)

    assert refused.status_code == 409
    assert "Transfer the ownership first, or close the account." in refused.content.decode()
    assert User.objects.filter(email="alice@acme.example", is_active=True).exists()
    assert places_of(acme.owner) == 1


def test_an_owner_of_one_of_two_leaves_neither(globex, bob):
    with tenant(globex.account.pk):
        Membership.objects.filter(user=globex.owner).update(role=Role.ADMIN)
        Membership.objects.filter(user=bob).update(role=Role.OWNER)

    assert sign_in(bob).post(PAGE, SURE).status_code == 409

    assert places_of(bob) == 2


@pytest.mark.parametrize("word", ["", "yes", "a\0b"])
def test_without_the_word_nothing_happens(bob, word):
    assert sign_in(bob).post(PAGE, {"confirmation": word}).status_code == 422

    assert places_of(bob) == 2


def test_it_is_asked_again_who_one_is(bob):
    late = sign_in(bob)
    prove_again(late, bob, ago=timedelta(hours=1).total_seconds())

    for answer in (late.get(PAGE), late.post(PAGE, SURE)):
        assert answer["Location"].startswith("/reauthenticate/")
    assert Client().post(PAGE, SURE)["Location"].startswith("/login/")
    assert places_of(bob) == 2


def test_an_accounts_single_sign_on_is_no_proof(bob, acme):
    client = sign_in(bob)
    session = client.session
    [step] = session["account_authentication_methods"]
    session["account_authentication_methods"] = [
        {"method": "socialaccount", "provider": f"sso-{acme.account.public_id}", "at": step["at"]}
    ]
    session.save()

    assert client.post(PAGE, SURE)["Location"].startswith("/reauthenticate/")
    assert places_of(bob) == 2


def test_our_staff_is_not_deleted_here():
    pia = employ("pia@privacy.example", "Pia", "privacy officer")

    assert pia.client.post(PAGE, SURE).status_code == 404

    assert User.objects.filter(email="pia@privacy.example", is_active=True).exists()
