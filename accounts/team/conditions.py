"""What every write to members and invitations asks first, behind the lock of the account's row.

Under it the actor's right is asked again, and the plan's room is counted. So two writes at once
cannot leave an account without its owner or pass the plan's limit, and somebody who is being
removed cannot invite a last guest.
"""

from collections.abc import Callable

from accounts.errors import MembersLimit, MissingRight, NotAMember
from accounts.models import Account, Membership, User
from accounts.rights import Right, may

# How many people an account may have is known to whoever knows plans, which this app does not:
# from an account's id to its limit, None is no limit. Called inside the account's context.
MemberLimit = Callable[[int], int | None]

_limit_of: MemberLimit | None = None


def ask_for_member_limit(of: MemberLimit) -> None:
    """Have every invitation and every acceptance ask `of`; a later app calls this once."""
    global _limit_of
    _limit_of = of


def member_limit(account_id: int) -> int | None:
    """Return how many members the account may have; None is as many as it likes."""
    return _limit_of(account_id) if _limit_of else None


def lock_account(account_id: int, *, by: User, right: Right) -> Account:
    """Return the account with its row locked, after asking whether `by` still has the right.

    Raises NotAMember, MissingRight.
    """
    account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
    actor = Membership.objects.filter(account_id=account_id, user=by).first()
    if actor is None:
        raise NotAMember
    if not may(actor.role, right):
        raise MissingRight(actor.get_role_display(), right)
    return account


def require_room(account_id: int, *, open_invitations: int = 0) -> None:
    """Refuse one member more than the plan has room for. Raises MembersLimit."""
    limit = member_limit(account_id)
    members = Membership.objects.filter(account_id=account_id).count()
    if limit is not None and members + open_invitations >= limit:
        raise MembersLimit(limit)
