"""Who belongs to an account: every change of a member's role, and every end."""

from django.db import transaction

from accounts import audit
from accounts.errors import OwnerStays
from accounts.models import Invitation, Membership, Role, User
from accounts.rights import Right
from accounts.team.conditions import lock_account
from accounts.team.invitations import withdraw
from llmcost import outbox
from llmcost.errors import NotFound


def member_of(account_id: int, membership_id: int) -> Membership:
    """Return a membership of this account. Raises NotFound alike for missing and foreign."""
    found = (
        Membership.objects.select_related("user")
        .filter(account_id=account_id, pk=membership_id)
        .first()
    )
    if found is None:
        raise NotFound("This person is not a member of the account.")
    return found


@transaction.atomic
def change_role(account_id: int, membership_id: int, *, role: Role, by: User) -> Membership:
    """Give a member another role, never the owner's. Raises NotFound, OwnerStays."""
    lock_account(account_id, by=by, right=Right.MANAGE_TEAM)
    membership = member_of(account_id, membership_id)
    if Role.OWNER in (membership.role, role):
        raise OwnerStays
    before, membership.role = membership.role, role
    if before != role:
        membership.save(update_fields=["role"])
        audit.record(
            account_id,
            "member.role_changed",
            by=by,
            member=membership.user,
            before=before,
            role=role,
        )
    return membership


@transaction.atomic
def remove_member(account_id: int, membership_id: int, *, by: User) -> Membership:
    """End somebody's membership, and what they have offered to others.

    Their next request finds no account. Raises NotFound, OwnerStays.
    """
    account = lock_account(account_id, by=by, right=Right.MANAGE_TEAM)
    membership = member_of(account_id, membership_id)
    _end_membership(membership)
    audit.record(account_id, "member.removed", by=by, member=membership.user, role=membership.role)
    outbox.post(
        "accounts/email/removed",
        membership.user.email,
        {"name": membership.user.name, "company": account.name},
        account_id=account_id,
    )
    return membership


@transaction.atomic
def leave(account_id: int, *, user: User) -> None:
    """End one's own membership. Raises OwnerStays."""
    lock_account(account_id, by=user, right=Right.READ_TEAM)
    membership = Membership.objects.get(account_id=account_id, user=user)
    _end_membership(membership)
    audit.record(account_id, "member.left", by=user, member=user, role=membership.role)


@transaction.atomic
def transfer_ownership(account_id: int, membership_id: int, *, by: User) -> Membership:
    """Make another member the owner, at once; who was it stays as an admin.

    At once, because an owner who leaves the company has to be able to hand over; both are mailed,
    and the new owner can hand it on. Raises NotFound for somebody who is no member.
    """
    account = lock_account(account_id, by=by, right=Right.OWN_ACCOUNT)
    new = member_of(account_id, membership_id)
    old = Membership.objects.select_related("user").get(account_id=account_id, role=Role.OWNER)
    if new == old:
        return new
    # In this order, because the database allows one owner at a time.
    old.role, new.role = Role.ADMIN, Role.OWNER
    old.save(update_fields=["role"])
    new.save(update_fields=["role"])
    audit.record(account_id, "account.ownership_transferred", by=by, member=new.user)
    for person in (old.user, new.user):
        outbox.post(
            "accounts/email/ownership",
            person.email,
            {"name": person.name, "company": account.name, "new": new.user, "old": old.user},
            account_id=account_id,
        )
    return new


def _end_membership(membership: Membership) -> None:
    if membership.role == Role.OWNER:
        raise OwnerStays
    offered = Invitation.objects.open().filter(
        account_id=membership.account_id, invited_by=membership.user_id
    )
    withdraw(list(offered))
    Membership.objects.filter(account_id=membership.account_id, pk=membership.pk).delete()
