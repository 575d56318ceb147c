"""Closing an account, what stops at once, and the way back."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils.formats import date_format

from accounts import services
from accounts.errors import MissingRight, PurgeBegun
from accounts.models import Account, AuditEvent, Invitation, Role
from llmcost.models import OutgoingMail
from llmcost.tenancy.context import tenant
from projects.keys import resolve
from tests.accounts.people import actions_of, add, at_once, invite
from tests.calls import CALL
from tests.conftest import open_company


@pytest.fixture
def told():
    """What later apps hear."""
    heard = []

    def closed(account, user, **_):
        heard.append(("closed", account.pk, account.purge_due_at - account.closed_at))

    def reopened(account, user, **_):
        heard.append(("reopened", account.pk, account.closed_at))

    services.account_closed.connect(closed)
    services.account_reopened.connect(reopened)
    yield heard
    services.account_closed.disconnect(closed)
    services.account_reopened.disconnect(reopened)


def close(company, name="Acme"):
    return company.client.post("/account/close/", {"name": name}, follow=True)


def state(company):
    with tenant(company.account.pk):
        return Account.objects.get(pk=company.account.pk)


def test_closing_asks_for_the_name_and_then_stops_everything_for_thirty_days(acme, told):
    invite(acme)
    assert "type the name of the company" in acme.client.get("/account/close/").content.decode()

    page = close(acme, "  aCME ").content.decode()

    account = state(acme)
    assert account.purge_due_at - account.closed_at == timedelta(days=30)
    assert "What it holds is deleted on" in page
    assert date_format(account.purge_due_at, "j F Y") in page
    with tenant(acme.account.pk):
        assert not Invitation.objects.open().exists()
    assert told == [("closed", acme.account.pk, timedelta(days=30))]
    mail = OutgoingMail.objects.get(subject="The account of Acme is closed")
    assert mail.recipient == "alice@acme.example"
    assert date_format(account.purge_due_at, "j F Y") in mail.text
    assert actions_of(acme)[-2:] == ["member.invitation_withdrawn", "account.closed"]


def test_by_the_databases_clock(acme):
    close(acme)

    with tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute("SELECT now() - closed_at FROM accounts_account")
        [(age,)] = cursor.fetchall()
    assert abs(age) < timedelta(seconds=60)


@pytest.mark.parametrize("name", ["", "Acme Inc", "acm e"])
def test_another_name_closes_nothing(acme, told, name):
    answer = close(acme, name)

    assert answer.status_code == 422
    assert state(acme).closed_at is None
    assert told == []


def test_only_the_owner_closes(acme):
    for role in Role:
        if role == Role.OWNER:
            continue
        _, client = add(acme, f"{role}@acme.example", role)
        assert client.get("/account/close/").status_code == 403
        assert client.post("/account/close/", {"name": "Acme"}).status_code == 403
    with tenant(acme.account.pk), pytest.raises(MissingRight):
        services.close_account(acme.account.pk, by=add(acme, "x@x.example", Role.ADMIN)[0].user)
    assert state(acme).closed_at is None


def test_closing_asks_who_it_is_again(acme):
    session = acme.client.session
    session["account_authentication_methods"] = []
    session.save()

    answer = acme.client.post("/account/close/", {"name": "Acme"})

    assert answer["Location"].startswith("/reauthenticate/?next=")
    assert state(acme).closed_at is None


def test_keys_are_refused_for_sending_and_reading_and_work_again_after_reopening(acme, api):
    api(acme.key, "POST", "/v1/events", CALL)
    close(acme)
    resolve.forget()

    for method, path in (("POST", "/v1/events"), ("GET", "/v1/usage")):
        answer = api(acme.key, method, path, CALL)
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "account_terminated")

    acme.client.post("/account/close/reopening/")
    assert api(acme.key, "GET", "/v1/usage").json()["data"][0]["calls"] == 1


def test_pages_can_be_read_and_nothing_be_changed_but_the_way_back(acme):
    _, member = add(acme, "bob@acme.example", Role.MEMBER)
    close(acme)

    for client in (acme.client, member):
        for path in ("/app/prod/start/", "/app/prod/keys/", "/account/team/", "/account/"):
            page = client.get(path)
            assert page.status_code == 200
            assert "This account is closed." in page.content.decode()
        refused = client.post("/app/prod/keys/", {"name": "x", "scopes": "ingest", "kind": "live"})
        assert refused.status_code == 403
        assert "Its owner can reopen it" in refused.content.decode()
    assert acme.client.post("/account/team/invitations/", {}).status_code == 403
    assert "Reopen account" in acme.client.get("/account/team/").content.decode()
    assert "Reopen account" not in member.get("/account/team/").content.decode()
    assert member.post("/account/close/reopening/").status_code == 403
    assert member.post("/account/team/leaving/").status_code == 302  # going is always possible


def test_one_click_brings_everything_back(acme, told):
    close(acme)

    page = acme.client.post("/account/close/reopening/", follow=True)

    assert "is open again" in page.content.decode()
    account = state(acme)
    assert (account.closed_at, account.purge_due_at) == (None, None)
    assert told[-1] == ("reopened", acme.account.pk, None)
    assert OutgoingMail.objects.filter(subject="The account of Acme is open again").count() == 1
    assert actions_of(acme)[-1] == "account.reopened"
    assert acme.client.post("/app/prod/keys/", {}).status_code == 422


def test_twice_is_once(acme, told):
    close(acme)
    first = state(acme)

    assert "was closed already" in close(acme).content.decode()
    assert state(acme).purge_due_at == first.purge_due_at
    acme.client.post("/account/close/reopening/")
    again = acme.client.post("/account/close/reopening/", follow=True)

    assert "is open already" in again.content.decode()
    assert [what for what, *_ in told] == ["closed", "reopened"]


def test_nothing_comes_back_once_the_deletion_is_due(acme):
    close(acme)
    with tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_account SET closed_at = now() - interval '31 days',"
            " purge_due_at = now() - interval '1 second'"
        )

    answer = acme.client.post("/account/close/reopening/")

    assert answer.status_code == 409
    assert "the deletion has begun" in answer.content.decode()
    assert state(acme).closed_at is not None
    with tenant(acme.account.pk), pytest.raises(PurgeBegun):
        services.reopen_account(acme.account.pk, by=acme.owner)


def test_closed_by_many_at_once_is_closed_once(committed, told):
    acme = open_company("Acme", "alice@acme.example")
    answers = []

    def close_it():
        with tenant(acme.account.pk):
            answers.append(services.close_account(acme.account.pk, by=acme.owner))

    assert at_once(*[close_it] * 4) == []

    assert sorted(answers) == [False, False, False, True]
    assert len(told) == 1
    assert OutgoingMail.objects.count() == 1


def test_the_owner_corrects_the_companys_name_and_nobody_else_does(acme):
    _, client = add(acme, "m@acme.example", Role.ADMIN)
    page = "/account/company/"

    assert client.post(page, {"name": "Mine"}).status_code == 403
    assert acme.client.post(page, {"name": ""}).status_code == 422
    assert acme.client.post(page, {"name": "x" * 201}).status_code == 422
    assert acme.client.post(page, {"name": "Acme & Söhne"}).status_code == 302

    with tenant(acme.account.pk):
        assert Account.objects.get().name == "Acme & Söhne"
        assert AuditEvent.objects.filter(action="account.renamed").count() == 1
