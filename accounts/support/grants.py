"""Support access: the customer lets our staff look, for a time, and sees every look.

Nothing here opens a row: the database asks `accounts_supportgrant` whenever staff read a call.
What stands here is who grants, who looks and what the trails say.
"""

from datetime import timedelta

from django.db.models import Min
from django.http import HttpRequest

from accounts import audit
from accounts.models import Account, Actor, Membership, Role, StaffAct, SupportGrant, User
from accounts.support.duties import Power, powers_of
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant

# What the page offers, by the name that its form sends.
DURATIONS = {
    "1h": (timedelta(hours=1), "1 hour"),
    "24h": (timedelta(hours=24), "24 hours"),
    "7d": (timedelta(days=7), "7 days"),
}
# In the session of a member of staff: whose pages they look at.
LOOKING_AT = "support_account_id"
# What the list of due work calls grants that will expire.
EXPIRY = "support_grant_expiry"
# How long a worker may take for one account before another tries.
LEASE = timedelta(minutes=1)
LOOK_AGAIN = timedelta(days=1)


# --- The customer's side ---------------------------------------------------------------------
def grant_access(account: Account, *, duration: str, reason: str, by: User) -> SupportGrant:
    """Let our support look at the account's costs for one of DURATIONS."""
    now = clock.now()
    length, words = DURATIONS[duration]
    grant = SupportGrant.objects.create(
        account=account, reason=reason, granted_by=by, granted_at=now, ends_at=now + length
    )
    audit.record(account.pk, "support.granted", by=by, subject=words, reason=reason)
    due.schedule(EXPIRY, account.pk, grant.ends_at)
    return grant


def end_access(account: Account, *, by: User) -> bool:
    """End every grant that is in force; False if none is. From the next statement on the database
    refuses.
    """
    now = clock.now()
    ended = SupportGrant.objects.filter(account_id=account.pk).in_force(now).update(ended_at=now)
    if ended:
        audit.record(account.pk, "support.ended", by=by)
    return bool(ended)


def note_expired_grants() -> int:
    """Write the end of grants that ran out into their trails; return how many.

    They open nothing from that moment on whether or not this runs.
    """
    noted = 0
    for turn in due.turns(EXPIRY, lease=LEASE):
        with tenant(turn.account_id):
            noted += _note_expired_of(turn.account_id)
            open_grants = SupportGrant.objects.filter(account_id=turn.account_id, ended_at=None)
            next_end = open_grants.aggregate(at=Min("ends_at"))["at"]
        # At least once a day: a grant may have been made since this looked.
        turn.end(min(filter(None, [next_end, clock.now() + LOOK_AGAIN])))
    return noted


def _note_expired_of(account_id: int) -> int:
    over = SupportGrant.objects.filter(
        account_id=account_id, ended_at=None, ends_at__lte=clock.now()
    )
    ended = 0
    for grant in over:
        # Two workers may look at once: the one whose UPDATE changes the row writes the line.
        open_still = SupportGrant.objects.filter(account_id=account_id, pk=grant.pk, ended_at=None)
        if open_still.update(ended_at=grant.ends_at):
            audit.record(account_id, "support.expired", by=None)
            ended += 1
    return ended


# --- Our side --------------------------------------------------------------------------------
def grant_in_force(account_id: int) -> SupportGrant | None:
    """Return the grant that lasts longest, inside the account's context or as staff."""
    grants = SupportGrant.objects.filter(account_id=account_id).in_force(clock.now())
    return grants.order_by("-ends_at").first()


def begin_look(request: HttpRequest, account_id: int) -> bool:
    """Let a member of staff go on to the customer's pages; False without a grant in force."""
    with tenant(account_id):
        if grant_in_force(account_id) is None:
            return False
    request.session[LOOKING_AT] = account_id
    return True


def end_look(request: HttpRequest) -> int | None:
    """Leave the customer's pages; return whose they were."""
    account_id: int | None = request.session.pop(LOOKING_AT, None)
    return account_id


def record_look(account_id: int, path: str, *, by: User) -> SupportGrant | None:
    """Write one look into both trails and return the grant under which it happens; None without.

    Only the page's path is kept: its query may name an end user. The lines are committed before
    anything is shown.
    """
    with tenant(account_id):
        grant = grant_in_force(account_id)
        if grant is not None:
            record_act(account_id, "support.looked", by=by, subject=path, reason="")
    return grant


def record_act(
    account_id: int,
    action: str,
    *,
    by: User,
    subject: str,
    reason: str,
    member: User | None = None,
) -> None:
    """Write what staff did into the customer's trail and ours, inside the account's context."""
    told = {"reason": reason} if reason else {}
    audit.record(
        account_id, action, by=by, actor=Actor.SUPPORT, subject=subject, member=member, **told
    )
    StaffAct.objects.create(
        staff_id=by.pk, account_id=account_id, action=action, subject=subject, reason=reason
    )


def looked_at(request: HttpRequest) -> int | None:
    """Return whose pages this member of staff looks at now, if they still may look at all."""
    account_id: int | None = request.session.get(LOOKING_AT)
    if account_id is None or Power.LOOK not in powers_of(request.user):
        return None
    return account_id


def as_reader(account_id: int, user: User) -> Membership:
    """Return the place of a member of staff on the customer's pages: a reader's, never stored."""
    return Membership(account_id=account_id, user=user, role=Role.READ_ONLY)
