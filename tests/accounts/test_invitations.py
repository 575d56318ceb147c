"""Invitations: how they are sent, accepted, refused, and every way they end."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client

from accounts import services, tasks
from accounts.access import CURRENT_ACCOUNT
from accounts.errors import MembersLimit
from accounts.models import Account, Invitation, Membership, Role, User
from accounts.team import conditions, invitations
from accounts.team.invitations import KEPT_AFTER_ITS_END
from llmcost.models import OutgoingMail
from llmcost.tenancy.context import presenting_invitation, signed_in, tenant
from privacy.policy import versions
from tests.accounts.people import (
    PASSWORD,
    actions_of,
    at_once,
    invite,
    link_to,
    person,
    roles_of,
)
from tests.conftest import open_company

BEGAN = datetime(2026, 11, 20, 12, tzinfo=UTC)
NEWCOMER = {"name": "Bob Ross", "password1": PASSWORD, "accept": "on"}


@pytest.fixture
def no_plan():
    """A plan's limit, said by whoever knows plans."""
    before = conditions._limit_of
    yield conditions.ask_for_member_limit
    conditions._limit_of = before


# --- Accepting -------------------------------------------------------------------------------
def test_a_newcomer_joins_by_the_link_without_company_and_without_another_mail(acme, client):
    link = invite(acme, role="read_only")

    page = client.get(link).content.decode()
    assert "Join <bdi>Acme</bdi>" in page
    assert "Read-only" in page
    signup = re.search(r'href="(/invitation/[^"]+/signup/)"', page)[1]
    form = client.get(signup).content.decode()
    assert re.findall(r'<label for="[^"]+">([^<]+)</label>', form) == ["Name", "Email", "Password"]
    joined = client.post(signup, NEWCOMER)

    assert (joined.status_code, joined["Location"]) == (302, "/app/")
    user = User.objects.get(email="bob@acme.example")
    assert user.accepted_policy_version
    assert user.emailaddress_set.get().verified
    assert roles_of(acme) == {"alice@acme.example": "owner", "bob@acme.example": "read_only"}
    with signed_in(user.pk):
        assert Membership.objects.filter(user=user).count() == 1
    assert client.get("/account/team/").status_code == 200
    assert actions_of(acme)[-3:] == ["member.invited", "member.joined", "member.signed_in"]


def test_the_address_of_an_invitation_cannot_be_exchanged_on_the_form(acme, client):
    link = invite(acme)

    client.post(f"{link}signup/", {**NEWCOMER, "email": "mallory@evil.example"})

    assert set(roles_of(acme)) == {"alice@acme.example", "bob@acme.example"}
    assert not User.objects.filter(email="mallory@evil.example").exists()


@pytest.mark.parametrize(("field", "value"), [("name", ""), ("password1", "short"), ("accept", "")])
def test_a_refused_sign_up_by_invitation_changes_nothing(acme, client, field, value):
    link = invite(acme)

    answer = client.post(f"{link}signup/", {**NEWCOMER, field: value})

    assert answer.status_code == 422
    assert set(roles_of(acme)) == {"alice@acme.example"}
    assert not User.objects.filter(email="bob@acme.example").exists()
    assert client.post(f"{link}signup/", NEWCOMER).status_code == 302


def test_who_is_signed_in_as_that_address_accepts_with_one_click_and_keeps_their_account(
    acme, globex
):
    link = invite(acme, "carol@globex.example", "admin")

    assert b"Join as Globex" in globex.client.get(link).content
    before = globex.client.session.session_key
    accepted = globex.client.post(link)

    assert (accepted.status_code, accepted["Location"]) == (302, "/app/")
    assert globex.client.session.session_key != before
    assert globex.client.session[CURRENT_ACCOUNT] == acme.account.pk
    assert roles_of(acme)["carol@globex.example"] == "admin"
    assert roles_of(globex) == {"carol@globex.example": "owner"}


def test_who_is_known_but_signed_out_is_led_to_sign_in_and_back(acme, globex, client):
    link = invite(acme, "carol@globex.example")

    page = client.get(link).content.decode()

    assert f"/login/?next={link.replace('/', '%2F')}" in page.replace("&#x2F;", "/")
    assert "/signup/" not in page.split("<main")[1].split("</main>")[0]
    signed_in_at = client.post(
        f"/login/?next={link}",
        {"login": "carol@globex.example", "password": "correct horse battery"},
    )
    assert signed_in_at["Location"] == link


def test_nobody_signs_up_anew_with_an_address_that_is_known(acme, globex, client):
    link = invite(acme, "carol@globex.example")
    before = User.objects.get(email="carol@globex.example").password

    client.post(f"{link}signup/", NEWCOMER)

    assert User.objects.get(email="carol@globex.example").password == before
    assert set(roles_of(acme)) == {"alice@acme.example"}


def test_another_address_is_told_so_and_nothing_is_half_done(acme, globex):
    link = invite(acme)

    page = globex.client.get(link)
    answer = globex.client.post(link)

    for refused in (page, answer):
        assert refused.status_code == 403
        text = refused.content.decode()
        assert "This invitation is for bob@acme.example" in text
        assert "signed in as carol@globex.example" in text
    assert set(roles_of(acme)) == {"alice@acme.example"}
    with tenant(acme.account.pk):
        assert Invitation.objects.open().count() == 1


def test_an_unconfirmed_address_is_not_ones_own(acme, globex):
    globex.owner.emailaddress_set.create(email="bob@acme.example", verified=False, primary=False)
    link = invite(acme)

    assert globex.client.post(link).status_code == 403


def test_a_visitor_who_accepts_is_led_to_sign_in(acme, client):
    link = invite(acme)

    assert client.post(link)["Location"] == f"/login/?next={link}"
    assert set(roles_of(acme)) == {"alice@acme.example"}


# --- Over ------------------------------------------------------------------------------------
def used(company, link):
    Client().post(f"{link}signup/", NEWCOMER)
    return "was used already"


def expired(company, link):
    with tenant(company.account.pk):
        Invitation.objects.update(expires_at=BEGAN)
    return "has expired"


def withdrawn(company, link):
    with tenant(company.account.pk):
        [one] = Invitation.objects.open()
    company.client.post(f"/account/team/invitations/{one.pk}/withdrawal/")
    return "was withdrawn"


def closed(company, link):
    with tenant(company.account.pk):
        assert services.close_account(company.account.pk, by=company.owner)
    return "was closed"


@pytest.mark.parametrize("end", [used, expired, withdrawn, closed])
def test_a_link_that_is_over_says_why_and_does_nothing(acme, end):
    link = invite(acme)
    words = end(acme, link)
    before = roles_of(acme)
    users = User.objects.count()
    bob, bobs = (
        person("bob@acme.example")
        if end is not used
        else (User.objects.get(email="bob@acme.example"), Client())
    )
    bobs.force_login(bob)
    users = User.objects.count()

    visitor = Client()
    for answer in (
        visitor.get(link),
        visitor.get(f"{link}signup/"),
        visitor.post(f"{link}signup/", {**NEWCOMER, "name": "Twice"}),
        bobs.get(link),
        bobs.post(link),
    ):
        assert answer.status_code == 410
        assert words in answer.content.decode()
    assert roles_of(acme) == before
    assert User.objects.count() == users


@pytest.mark.parametrize("end", [used, expired, withdrawn])
def test_a_week_after_its_end_nothing_of_an_invitation_is_left(acme, end):
    # There was no policy to accept before.
    with time_machine.travel(versions("privacy")[-1].effective, tick=False) as clock:
        link = invite(acme)
        if end is not expired:
            end(acme, link)
        clock.shift(timedelta(days=7) + KEPT_AFTER_ITS_END - timedelta(seconds=1))
        tasks.forget_invitations()
        with tenant(acme.account.pk):
            assert Invitation.objects.count() == 1
        invite(acme, "later@acme.example")

        clock.shift(timedelta(days=1))
        tasks.forget_invitations()

        with tenant(acme.account.pk):
            assert [one.email for one in Invitation.objects.all()] == ["later@acme.example"]
        assert Client().get(link).status_code == 404
        clock.shift(timedelta(days=14))
        tasks.forget_invitations()
        with tenant(acme.account.pk):
            assert not Invitation.objects.exists()


def test_an_invitation_ends_after_seven_days_and_not_before(acme):
    with time_machine.travel(BEGAN, tick=False) as clock:
        link = invite(acme)
        clock.shift(timedelta(days=7) - timedelta(seconds=1))
        assert Client().get(link).status_code == 200
        clock.shift(timedelta(seconds=1))
        assert Client().get(link).status_code == 410


def test_a_new_link_ends_the_old_one_and_begins_the_seven_days_anew(acme, client):
    with time_machine.travel(BEGAN, tick=False) as clock:
        old = invite(acme)
        with tenant(acme.account.pk):
            [invitation] = Invitation.objects.open()
        clock.shift(timedelta(days=8))
        acme.client.post(f"/account/team/invitations/{invitation.pk}/resending/")
        new = link_to("bob@acme.example")

        assert new != old
        assert client.get(old).status_code == 404
        assert client.get(new).status_code == 200


def test_who_was_invited_too_long_ago_can_be_invited_again(acme):
    with time_machine.travel(BEGAN, tick=False) as clock:
        old = invite(acme)
        clock.shift(timedelta(days=8))
        new = invite(acme)

        assert "was withdrawn" in Client().get(old).content.decode()
        assert Client().get(new).status_code == 200


@pytest.mark.parametrize("token", ["x", "0" * 43, "%00", "ü", "a" * 5000])
def test_a_token_that_never_was_is_not_there(acme, client, token):
    assert client.get(f"/invitation/{token}/").status_code == 404
    assert client.post(f"/invitation/{token}/signup/", NEWCOMER).status_code == 404


def test_the_link_is_nowhere_in_the_account_and_in_no_log(acme, log_lines):
    token = invite(acme).split("/")[2]
    Client().get(f"/invitation/{token}/")

    with tenant(acme.account.pk), connection.cursor() as cursor:
        for table in ("accounts_invitation", "accounts_auditevent"):
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {table} AS t")
            rows = "".join(row for (row,) in cursor.fetchall())
            assert rows
            assert token not in rows
            if table == "accounts_auditevent":
                assert "bob@" not in rows
    assert token not in log_lines()


def test_only_the_presented_invitation_is_seen(acme, globex):
    invite(acme)
    invite(globex, "dora@globex.example")

    token = link_to("bob@acme.example").split("/")[2]
    with presenting_invitation(invitations.hash_of(token)):
        assert [one.email for one in Invitation.objects.all()] == ["bob@acme.example"]
    assert not Invitation.objects.exists()


# --- Inviting --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("email", "role", "words"),
    [
        ("", "member", "Enter your e-mail address."),
        ("bob@acme", "member", "This address is not complete."),
        ("x" * 250 + "@acme.example", "member", "at most 254"),
        ("alice@acme.example", "member", "is a member already"),
        ("ALICE@acme.example", "member", "is a member already"),
        ("bob@acme.example", "owner", "not one of the available choices"),
        ("bob@acme.example", "king", "not one of the available choices"),
    ],
)
def test_a_wrong_invitation_is_refused_beside_the_field(acme, email, role, words):
    answer = acme.client.post("/account/team/invitations/", {"email": email, "role": role})

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not OutgoingMail.objects.exists()


def test_an_address_has_one_open_invitation(acme):
    invite(acme)

    again = acme.client.post(
        "/account/team/invitations/", {"email": "BOB@acme.example", "role": "admin"}
    )

    assert again.status_code == 422
    assert "has an open invitation" in again.content.decode()


def test_the_plans_limit_counts_open_invitations_and_is_asked_again_at_the_door(
    acme, client, no_plan
):
    no_plan(lambda account_id: 2 if account_id == acme.account.pk else None)
    link = invite(acme)

    refused = acme.client.post(
        "/account/team/invitations/", {"email": "eve@acme.example", "role": "member"}
    )
    assert refused.status_code == 422
    assert "has room for 2 members" in refused.content.decode()
    assert "2 of 2" not in refused.content.decode()

    no_plan(lambda _: 1)
    late = client.post(f"{link}signup/", NEWCOMER)
    assert late.status_code == 409
    assert "has room for 1 member," in late.content.decode()
    assert not User.objects.filter(email="bob@acme.example").exists()

    no_plan(lambda _: None)
    assert client.post(f"{link}signup/", NEWCOMER).status_code == 302


def test_nobody_writes_to_many_strangers_through_us(acme, monkeypatch):
    monkeypatch.setattr(invitations, "MOST_INVITATIONS_A_DAY", 2)
    invite(acme, "a@x.example")
    invite(acme, "b@x.example")

    answer = acme.client.post(
        "/account/team/invitations/", {"email": "c@x.example", "role": "member"}
    )

    assert "Wait until tomorrow" in answer.content.decode()
    assert OutgoingMail.objects.count() == 2


def test_a_name_with_markup_is_text_in_page_and_mail(acme):
    with tenant(acme.account.pk):
        Account.objects.update(name="<b>Acme</b> & Söhne")
    User.objects.filter(pk=acme.owner.pk).update(name="<script>")

    link = invite(acme)

    mail = OutgoingMail.objects.get()
    assert mail.subject == "<script> invites you to <b>Acme</b> & Söhne"
    assert "<script>" not in mail.html
    assert "<b>Acme</b> & Söhne" in mail.text
    assert b"<b>Acme" not in Client().get(link).content


# --- At once ---------------------------------------------------------------------------------
def test_a_link_used_twice_at_once_makes_one_member(committed):
    acme = open_company("Acme", "alice@acme.example")
    bob, _ = person("bob@acme.example")
    with tenant(acme.account.pk):
        invitations.invite(acme.account.pk, email=bob.email, role=Role.MEMBER, by=acme.owner)
    token = link_to(bob.email).split("/")[2]

    def accept():
        invitations.accept_invitation(token, user=bob)

    raised = at_once(*[accept] * 4)

    assert len(raised) == 3
    assert list(roles_of(acme)) == ["alice@acme.example", "bob@acme.example"]


def test_the_limit_holds_when_many_accept_at_once(committed, no_plan):
    acme = open_company("Acme", "alice@acme.example")
    people = [person(f"p{n}@acme.example")[0] for n in range(4)]
    tokens = []
    for one in people:
        with tenant(acme.account.pk):
            invitations.invite(acme.account.pk, email=one.email, role=Role.MEMBER, by=acme.owner)
        tokens.append(link_to(one.email).split("/")[2])
    no_plan(lambda _: 3)

    raised = at_once(*[
        lambda token=token, one=one: invitations.accept_invitation(token, user=one)
        for token, one in zip(tokens, people, strict=True)
    ])  # fmt: skip

    assert [type(error) for error in raised] == [MembersLimit] * 2
    assert len(roles_of(acme)) == 3
