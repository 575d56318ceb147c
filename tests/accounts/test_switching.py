"""One person in several accounts: the switch, and a page that was opened before it."""

import re

import pytest

from accounts.access import CURRENT_ACCOUNT, OPENED_IN_FIELD
from accounts.models import Membership, Role
from llmcost.tenancy.context import tenant
from projects.models import ApiKey
from projects.services import open_project
from tests.accounts.people import add

NEW_KEY = {"name": "Mine", "scopes": "ingest", "kind": "live"}


@pytest.fixture
def both(acme, globex):
    """Alice is a member of Globex too; she works in Acme."""
    with tenant(globex.account.pk):
        Membership.objects.create(account=globex.account, user=acme.owner, role=Role.MEMBER)
    return acme.client


def switch(client, company):
    return client.post("/account/switch/", {"account": company.account.public_id})


def mark(page):
    """What the forms of a page say of the account in which it was opened."""
    [found] = set(re.findall(rf'name="{OPENED_IN_FIELD}" value="([^"]+)"', page.content.decode()))
    return found


def keys_of(company):
    with tenant(company.account.pk):
        return set(ApiKey.objects.values_list("name", flat=True))


def test_the_side_bar_offers_the_switch_to_those_who_have_several(both, acme, globex):
    page = both.get("/account/team/").content.decode()
    assert "Switch account" in page
    assert re.search(rf'value="{acme.account.public_id}" aria-current="true"><bdi>Acme', page)
    assert f'value="{globex.account.public_id}"><bdi>Globex' in page
    assert "Switch account" not in globex.client.get("/account/team/").content.decode()


def test_a_switch_leads_into_the_other_account_in_a_new_session(both, globex):
    assert b"<bdi>Acme</bdi>" in both.get("/account/team/").content
    before = both.session.session_key

    answer = switch(both, globex)

    assert (answer.status_code, answer["Location"]) == (302, "/app/")
    assert both.session.session_key != before
    assert both.session[CURRENT_ACCOUNT] == globex.account.pk
    assert b"<bdi>Globex</bdi>" in both.get("/account/team/").content


@pytest.mark.parametrize("account", ["", "x", "0190a8a8-0000-7000-8000-000000000000"])
def test_nobody_switches_into_an_account_that_is_not_theirs(acme, globex, account):
    for named in (account, globex.account.public_id):
        assert acme.client.post("/account/switch/", {"account": named}).status_code == 404
    assert CURRENT_ACCOUNT not in acme.client.session


def test_a_form_that_was_opened_before_the_switch_changes_nothing_anywhere(both, acme, globex):
    opened_in = mark(both.get("/app/prod/keys/"))
    assert opened_in == str(acme.account.public_id)
    switch(both, globex)

    answer = both.post("/app/prod/keys/", {**NEW_KEY, OPENED_IN_FIELD: opened_in})

    assert answer.status_code == 409
    assert "opened in another account" in answer.content.decode()
    assert keys_of(acme) == keys_of(globex) == {"Tests"}
    fresh = mark(both.get("/app/prod/keys/"))
    made = both.post("/app/prod/keys/", {**NEW_KEY, OPENED_IN_FIELD: fresh})
    assert made.status_code == 201
    assert keys_of(globex) == {"Tests", "Mine"}


def test_who_has_several_accounts_must_say_which_they_mean(both, acme):
    assert both.post("/app/prod/keys/", NEW_KEY).status_code == 409
    for wrong in ("", "x", "\x00"):
        answer = both.post("/app/prod/keys/", {**NEW_KEY, OPENED_IN_FIELD: wrong})
        assert answer.status_code == 409
    assert keys_of(acme) == {"Tests"}


def test_a_live_page_of_the_other_account_is_loaded_anew_and_not_filled_with_this_ones(
    both, acme, globex
):
    headers = {"HX-Request": "true", "X-Opened-In": str(acme.account.public_id)}
    assert both.get("/app/prod/?range=30d", headers=headers).status_code == 200
    switch(both, globex)

    answer = both.get("/app/prod/?range=30d", headers=headers)

    assert (answer.status_code, answer["HX-Refresh"]) == (409, "true")


def test_who_was_removed_from_the_account_they_chose_works_in_another(both, acme, globex):
    switch(both, globex)
    with tenant(globex.account.pk):
        Membership.objects.filter(user=acme.owner).delete()

    assert b"<bdi>Acme</bdi>" in both.get("/account/team/").content


def test_each_account_has_its_own_role(both, globex):
    with tenant(globex.account.pk):
        Membership.objects.filter(user__email="alice@acme.example").update(role=Role.BILLING)

    answer = switch(both, globex)

    assert answer["Location"] in ("/account/team/", "/account/billing/")
    assert both.get("/app/prod/keys/").status_code == 403


def test_who_only_pays_lands_on_a_page_that_they_may_see(acme):
    _, payer = add(acme, "pat@acme.example", Role.BILLING)

    answer = payer.get("/app/", follow=True)

    assert answer.status_code == 200
    assert answer.redirect_chain[0][0] in ("/account/team/", "/account/billing/")


def test_every_form_says_in_which_account_it_was_opened(acme):
    with tenant(acme.account.pk):
        open_project(acme.account, name="second")
    add(acme, "bob@acme.example", Role.MEMBER)
    seen = 0

    for path in ("/app/prod/keys/", "/app/prod/start/", "/account/team/", "/account/team/ownership/",
                 "/account/close/", "/account/", "/account/security/"):  # fmt: skip
        page = acme.client.get(path).content.decode()
        for form in re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL):
            assert f'name="{OPENED_IN_FIELD}" value="{acme.account.public_id}"' in form, path
            seen += 1
    assert seen > 10
