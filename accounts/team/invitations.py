"""Who is offered a place in an account: every write to invitations, and their acceptance."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import Min, Q, QuerySet
from django.urls import reverse

from accounts import audit
from accounts.errors import (
    AlreadyInvited,
    AlreadyMember,
    ForAnotherAddress,
    InvitationOver,
    TooManyInvitations,
)
from accounts.models import Account, Invitation, Membership, Role, User
from accounts.rights import Right
from accounts.team.conditions import lock_account, require_room
from llmcost import clock, outbox
from llmcost.errors import NotFound
from llmcost.tenancy import due
from llmcost.tenancy.context import presenting_invitation, tenant

INVITATION_LASTS = timedelta(days=7)
# Sent within a day by one account: nobody shall write to strangers through us.
MOST_INVITATIONS_A_DAY = 100
DAY = timedelta(days=1)
INVITATIONS = "invitations"
# So long an invitation can still be sent again, and its link says why it does not work.
KEPT_AFTER_ITS_END = timedelta(days=7)
LEASE = timedelta(minutes=5)


@transaction.atomic
def invite(account_id: int, *, email: str, role: Role, by: User) -> Invitation:
    """Offer a place to whoever has this address, for seven days.

    Raises AlreadyMember, AlreadyInvited, MembersLimit, TooManyInvitations.
    """
    account = lock_account(account_id, by=by, right=Right.MANAGE_TEAM)
    email = email.lower()
    if _members_with(account_id, email).exists():
        raise AlreadyMember
    earlier = Invitation.objects.open().filter(account_id=account_id, email=email).first()
    if earlier and not earlier.has_expired(clock.now()):
        raise AlreadyInvited
    if earlier:
        withdraw([earlier])
    require_room(account_id, open_invitations=_waiting(account_id).count())
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        account=account,
        email=email,
        role=role,
        token_hash=hash_of(token),
        invited_by=by,
        expires_at=_end(account_id),
    )
    due.schedule(INVITATIONS, account_id, invitation.expires_at + KEPT_AFTER_ITS_END)
    _mail(invitation, token, account=account, by=by)
    audit.record(account_id, "member.invited", by=by, subject=_number(invitation), role=role)
    return invitation


@transaction.atomic
def resend_invitation(account_id: int, invitation_id: int, *, by: User) -> Invitation:
    """Send an open invitation with a new link, for seven days from now; the old link ends.

    Raises NotFound, TooManyInvitations.
    """
    account = lock_account(account_id, by=by, right=Right.MANAGE_TEAM)
    invitation = _open_invitation(account_id, invitation_id)
    waiting = _waiting(account_id).exclude(pk=invitation.pk)
    require_room(account_id, open_invitations=waiting.count())
    token = secrets.token_urlsafe(32)
    invitation.token_hash, invitation.expires_at = hash_of(token), _end(account_id)
    invitation.save(update_fields=["token_hash", "expires_at"])
    _mail(invitation, token, account=account, by=by)
    audit.record(account_id, "member.invitation_resent", by=by, subject=_number(invitation))
    return invitation


@transaction.atomic
def withdraw_invitation(account_id: int, invitation_id: int, *, by: User) -> Invitation:
    """Take an open invitation back: its link says so from now on. Raises NotFound."""
    lock_account(account_id, by=by, right=Right.MANAGE_TEAM)
    invitation = _open_invitation(account_id, invitation_id)
    withdraw([invitation])
    audit.record(account_id, "member.invitation_withdrawn", by=by, subject=_number(invitation))
    return invitation


def withdraw_open_invitations(account_id: int, *, by: User) -> int:
    """Take back every open invitation of a locked account; return how many there were."""
    found = list(Invitation.objects.open().filter(account_id=account_id))
    withdraw(found)
    for one in found:
        audit.record(account_id, "member.invitation_withdrawn", by=by, subject=_number(one))
    return len(found)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a presented link offers, as the page before the acceptance shows it."""

    account_id: int
    company: str
    email: str
    role: str


def offer(token: str) -> Offer:
    """Return what the link with this token offers.

    Raises NotFound for a token that never was (or was replaced), InvitationOver.
    """
    invitation = _presented(token)
    with tenant(invitation.account_id):
        account = Account.objects.get(pk=invitation.account_id)
        _require_open(invitation, account)
    return Offer(account.pk, account.name, invitation.email, invitation.get_role_display())


@transaction.atomic
def accept_invitation(token: str, *, user: User) -> Membership:
    """Make the user a member by a link that was sent to an address they have proved is theirs.

    Raises NotFound, InvitationOver, ForAnotherAddress, AlreadyMember, MembersLimit.
    """
    account_id = _presented(token).account_id
    with tenant(account_id):
        account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
        # Read again behind the lock: it may have been used, replaced or withdrawn meanwhile.
        invitation = Invitation.objects.filter(
            account_id=account_id, token_hash=hash_of(token)
        ).first()
        if invitation is None:
            raise NotFound
        _require_open(invitation, account)
        own = EmailAddress.objects.filter(user=user, verified=True, email=invitation.email)
        if not own.exists():
            raise ForAnotherAddress(invited=invitation.email, own=user.email)
        if Membership.objects.filter(account_id=account_id, user=user).exists():
            raise AlreadyMember("You are a member of this account already.")
        require_room(account_id)
        invitation.accepted_at = clock.now()
        invitation.save(update_fields=["accepted_at"])
        membership = Membership.objects.create(account=account, user=user, role=invitation.role)
        audit.record(
            account_id,
            "member.joined",
            by=user,
            subject=_number(invitation),
            member=user,
            role=invitation.role,
        )
    return membership


def forget_invitations() -> int:
    """Delete invitations a week after their link has ended, whatever became of them.

    Return how many: what remains of them is the trail, which names nobody's address.
    """
    gone = 0
    for turn in due.turns(INVITATIONS, lease=LEASE):
        with tenant(turn.account_id):
            own = Invitation.objects.filter(account_id=turn.account_id)
            gone += own.filter(expires_at__lte=clock.now() - KEPT_AFTER_ITS_END).delete()[0]
            next_end = own.aggregate(at=Min("expires_at"))["at"]
        # At least once a day: somebody may have been invited since this looked.
        next_at = next_end + KEPT_AFTER_ITS_END if next_end else None
        turn.end(min(filter(None, [next_at, clock.now() + DAY])))
    return gone


def hash_of(token: str) -> str:
    """Return the hash under which an invitation stands; the token has 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def _presented(token: str) -> Invitation:
    presented = hash_of(token)
    with presenting_invitation(presented):
        invitation = Invitation.objects.filter(token_hash=presented).first()
    if invitation is None:
        raise NotFound(
            "There is no such invitation. If it was sent to you again, open the newest mail."
        )
    return invitation


def _require_open(invitation: Invitation, account: Account) -> None:
    if invitation.accepted_at:
        raise InvitationOver("This invitation was used already. Sign in to work in the account.")
    # Before "withdrawn": closing withdraws too, and this says more.
    if account.closed_at:
        raise InvitationOver("The account that this invitation is for was closed.")
    if invitation.withdrawn_at:
        raise InvitationOver("This invitation was withdrawn. Ask whoever invited you.")
    if invitation.has_expired(clock.now()):
        raise InvitationOver("This invitation has expired after seven days. Ask for a new one.")


def _waiting(account_id: int) -> QuerySet[Invitation]:
    """Invitations that can still be accepted, so that their places are taken."""
    return Invitation.objects.open().filter(account_id=account_id, expires_at__gt=clock.now())


def _end(account_id: int) -> datetime:
    """Return when an invitation that is sent now ends. Raises TooManyInvitations."""
    now = clock.now()
    sent_today = Invitation.objects.filter(
        account_id=account_id, expires_at__gt=now - DAY + INVITATION_LASTS
    )
    if sent_today.count() >= MOST_INVITATIONS_A_DAY:
        raise TooManyInvitations
    return now + INVITATION_LASTS


def withdraw(invitations: list[Invitation]) -> None:
    """Take these back, of a locked account; the trail is the caller's."""
    for one in invitations:
        one.withdrawn_at = clock.now()
        one.save(update_fields=["withdrawn_at"])


def _open_invitation(account_id: int, invitation_id: int) -> Invitation:
    found = Invitation.objects.open().filter(account_id=account_id, pk=invitation_id).first()
    if found is None:
        raise NotFound("This invitation is not open any more.")
    return found


def _members_with(account_id: int, email: str) -> QuerySet[Membership]:
    own = EmailAddress.objects.filter(email=email, verified=True).values("user_id")
    return Membership.objects.filter(
        Q(user__email=email) | Q(user_id__in=own), account_id=account_id
    )


def _mail(invitation: Invitation, token: str, *, account: Account, by: User) -> None:
    link = reverse("invitation", args=[token])
    outbox.post(
        "accounts/email/invitation",
        invitation.email,
        {
            "company": account.name,
            "inviter": by.name,
            "role": invitation.get_role_display(),
            "url": f"{settings.PUBLIC_URL}{link}",
            "ends": invitation.expires_at,
        },
        account_id=account.pk,
    )


def _number(invitation: Invitation) -> str:
    """Name an invitation in the trail, which names no people."""
    return f"invitation {invitation.pk}"
