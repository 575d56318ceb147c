"""Members: their roles, removal and leaving, and the one owner."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.errors import MissingRight, NotAMember, OwnerStays
from accounts.models import AuditEvent, Membership, Role
from accounts.team import invitations, members
from llmcost.errors import NotFound
from llmcost.models import OutgoingMail
from llmcost.tenancy.context import tenant
from tests.accounts.people import actions_of, add, at_once, invite, link_to, person, roles_of
from tests.conftest import open_company


# --- Roles, removal, leaving -----------------------------------------------------------------
def test_another_role_holds_from_the_next_request_on(acme):
    membership, bob = add(acme, "bob@acme.example", Role.MEMBER)
    assert bob.get("/app/prod/keys/").status_code == 200

    acme.client.post(f"/account/team/members/{membership.pk}/role/", {"role": "billing"})

    assert bob.get("/app/prod/keys/").status_code == 403
    assert actions_of(acme)[-1] == "member.role_changed"
    with tenant(acme.account.pk):
        event = AuditEvent.objects.latest("pk")
    assert (event.member_id, event.user_id) == (membership.user_id, acme.owner.pk)
    assert event.details == {"before": "member", "role": "billing"}


def test_removal_ends_access_at_once_and_what_they_offered(acme):
    membership, bob = add(acme, "bob@acme.example", Role.ADMIN)
    bob.post("/account/team/invitations/", {"email": "eve@acme.example", "role": "member"})
    link = link_to("eve@acme.example")
    assert bob.get("/account/team/").status_code == 200

    removed = acme.client.post(f"/account/team/members/{membership.pk}/removal/")

    assert removed.status_code == 302
    for path in ("/app/", "/app/prod/", "/account/team/", "/account/close/"):
        assert bob.get(path).status_code == 404
    assert bob.post("/account/team/invitations/", {"email": "x@x.example"}).status_code == 404
    assert "was withdrawn" in Client().get(link).content.decode()
    assert bob.get("/account/").status_code == 200  # their own profile stays
    assert OutgoingMail.objects.filter(recipient="bob@acme.example").count() == 1
    again = acme.client.post(f"/account/team/members/{membership.pk}/removal/")
    assert again.status_code == 404


def test_who_leaves_is_out_and_can_come_back_by_invitation_only(acme):
    _, bob = add(acme, "bob@acme.example", Role.MEMBER)

    assert bob.post("/account/team/leaving/").status_code == 302

    assert bob.get("/app/").status_code == 404
    assert actions_of(acme)[-1] == "member.left"
    link = invite(acme)
    assert bob.post(link).status_code == 302
    assert bob.get("/app/prod/keys/").status_code == 200


def test_the_owner_stays(acme):
    with tenant(acme.account.pk):
        own = Membership.objects.get(user=acme.owner)
    _, admin = add(acme, "bob@acme.example", Role.ADMIN)

    answers = [
        acme.client.post("/account/team/leaving/"),
        acme.client.post(f"/account/team/members/{own.pk}/removal/"),
        acme.client.post(f"/account/team/members/{own.pk}/role/", {"role": "member"}),
        admin.post(f"/account/team/members/{own.pk}/removal/"),
        admin.post(f"/account/team/members/{own.pk}/role/", {"role": "member"}),
    ]

    for answer in answers:
        assert answer.status_code == 409
        assert "Transfer the ownership first" in answer.content.decode()
    assert roles_of(acme)["alice@acme.example"] == "owner"


def test_nobody_becomes_owner_by_a_change_of_role(acme):
    membership, _ = add(acme, "bob@acme.example", Role.ADMIN)

    answer = acme.client.post(f"/account/team/members/{membership.pk}/role/", {"role": "owner"})

    assert answer.status_code == 422
    with tenant(acme.account.pk), pytest.raises(OwnerStays):
        members.change_role(acme.account.pk, membership.pk, role=Role.OWNER, by=acme.owner)


# --- Ownership -------------------------------------------------------------------------------
def test_ownership_goes_to_a_member_at_once_and_both_are_told(acme):
    membership, bob = add(acme, "bob@acme.example", Role.BILLING)
    before = acme.client.session.session_key

    answer = acme.client.post("/account/team/ownership/", {"member": membership.pk})

    assert answer.status_code == 302
    assert acme.client.session.session_key != before
    assert roles_of(acme) == {"alice@acme.example": "admin", "bob@acme.example": "owner"}
    told = OutgoingMail.objects.filter(subject="Acme has a new owner")
    assert {one.recipient for one in told} == {"alice@acme.example", "bob@acme.example"}
    assert acme.client.get("/account/team/ownership/").status_code == 403
    assert bob.get("/account/team/ownership/").status_code in (200, 302)


def test_ownership_goes_to_no_stranger(acme, globex):
    with tenant(globex.account.pk):
        stranger = Membership.objects.get(user=globex.owner)
    with tenant(acme.account.pk):
        own = Membership.objects.get(user=acme.owner)

    for member in (stranger.pk, own.pk, 987_654_321, "x", ""):
        answer = acme.client.post("/account/team/ownership/", {"member": member})
        assert answer.status_code == 422
    assert roles_of(acme) == {"alice@acme.example": "owner"}


def test_transfer_asks_who_it_is_again(acme):
    session = acme.client.session
    session["account_authentication_methods"] = []
    session.save()

    for answer in (acme.client.get("/account/team/ownership/"),
                   acme.client.post("/account/team/ownership/", {"member": 1})):  # fmt: skip
        assert answer.status_code == 302
        assert answer["Location"].startswith("/reauthenticate/?next=")


def test_the_database_refuses_a_second_owner(acme):
    user, _ = person("bob@acme.example")

    with pytest.raises(IntegrityError), transaction.atomic(), tenant(acme.account.pk):
        Membership.objects.create(account=acme.account, user=user, role=Role.OWNER)


def test_an_account_keeps_exactly_one_owner_whatever_happens_at_once(committed):
    acme = open_company("Acme", "alice@acme.example")
    bob, _ = add(acme, "bob@acme.example", Role.ADMIN)
    eve, _ = add(acme, "eve@acme.example", Role.ADMIN)
    account = acme.account.pk

    def transfer(to):
        def act():
            with tenant(account):
                members.transfer_ownership(account, to.pk, by=acme.owner)

        return act

    def remove(whom, by):
        def act():
            with tenant(account):
                members.remove_member(account, whom.pk, by=by)

        return act

    raised = at_once(
        transfer(bob), transfer(eve), remove(bob, eve.user), remove(eve, bob.user),
        transfer(bob), transfer(eve),
    )  # fmt: skip

    assert all(isinstance(e, NotAMember | MissingRight | OwnerStays | NotFound) for e in raised)
    assert list(roles_of(acme).values()).count("owner") == 1


def test_who_is_removed_meanwhile_invites_nobody(acme):
    membership, _ = add(acme, "bob@acme.example", Role.ADMIN)
    with tenant(acme.account.pk):
        members.remove_member(acme.account.pk, membership.pk, by=acme.owner)

        with pytest.raises(NotAMember):
            invitations.invite(
                acme.account.pk, email="x@x.example", role=Role.ADMIN, by=membership.user
            )
