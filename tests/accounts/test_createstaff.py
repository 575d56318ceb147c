"""`manage.py createstaff`: who supports customers is decided on the server's command line."""

import io
import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "seven slow otters swim"


def createstaff(*arguments, roles=("support",)):
    out = io.StringIO()
    given = [part for role in roles for part in ("--role", role)]
    call_command("createstaff", *arguments, *given, stdout=out)
    return out.getvalue()


def duties(email):
    return set(User.objects.get(email=email).groups.values_list("name", flat=True))


def test_a_new_member_of_staff_is_no_superuser_and_sets_a_password_by_mail():
    said = createstaff("--email", "Sam@Example.com", "--name", "Sam Ito")

    sam = User.objects.get(email="sam@example.com")
    assert (sam.is_staff, sam.is_superuser, sam.has_usable_password()) == (True, False, False)
    assert EmailAddress.objects.get(user=sam).verified
    assert said.count("\n") == 1
    assert "/password/reset/" in said
    Client().post("/password/reset/", {"email": "sam@example.com"})
    assert re.search(r"/password/reset/\S+", mail.outbox[-1].body)


def test_a_password_from_standard_input_signs_in(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))

    createstaff("--email", "sam@example.com", "--name", "Sam", "--password-stdin")

    answer = Client().post("/login/", {"login": "sam@example.com", "password": PASSWORD})
    assert answer.status_code == 302


def test_a_weak_password_is_refused_and_nobody_is_made(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))

    with pytest.raises(CommandError, match="too short"):
        createstaff("--email", "sam@example.com", "--name", "Sam", "--password-stdin")

    assert not User.objects.filter(email="sam@example.com").exists()


def test_a_user_is_promoted_with_name_and_password_kept_and_again_changes_nothing(acme):
    before = acme.owner.password

    createstaff("--email", acme.owner.email, "--name", "Somebody")
    createstaff("--email", acme.owner.email, "--name", "Somebody")

    after = User.objects.get(pk=acme.owner.pk)
    assert (after.is_staff, after.password, after.name) == (True, before, acme.owner.name)


def test_who_signed_up_with_an_address_that_is_not_theirs_does_not_become_staff():
    """The password that somebody chose before the address was confirmed is void."""
    stranger = User.objects.create_user("sam@example.com", PASSWORD, name="Mallory")
    stranger.emailaddress_set.create(email="sam@example.com", verified=False, primary=True)

    createstaff("--email", "sam@example.com", "--name", "Sam")

    Client().post("/login/", {"login": "sam@example.com", "password": PASSWORD})
    assert not User.objects.get(pk=stranger.pk).has_usable_password()


def test_an_address_that_somebody_else_has_confirmed_is_refused(acme):
    acme.owner.emailaddress_set.create(email="sam@example.com", verified=True)

    with pytest.raises(CommandError, match="confirmed"):
        createstaff("--email", "sam@example.com", "--name", "Sam")


def test_roles_are_groups_and_running_again_changes_them():
    createstaff("--email", "sam@example.com", "--name", "Sam", roles=["privacy", "finance"])
    assert duties("sam@example.com") == {"privacy officer", "finance"}

    said = createstaff("--email", "sam@example.com", "--name", "Sam", roles=["support"])

    assert duties("sam@example.com") == {"support"}
    assert "(support)" in said


@pytest.mark.parametrize("role", [[], ["superuser"], ["owner"]])
def test_without_a_role_that_there_is_nobody_is_made(role):
    with pytest.raises(CommandError):
        createstaff("--email", "sam@example.com", "--name", "Sam", roles=role)

    assert not User.objects.filter(email="sam@example.com").exists()


def test_a_superuser_who_becomes_staff_is_one_no_more(acme):
    User.objects.filter(pk=acme.owner.pk).update(is_superuser=True)

    createstaff("--email", acme.owner.email, "--name", "Somebody")

    assert not User.objects.get(pk=acme.owner.pk).is_superuser
