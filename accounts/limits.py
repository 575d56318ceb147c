"""How many people an account may have: known to whoever knows plans, which this app does not."""

from collections.abc import Callable

# From an account's id to its limit; None is no limit. Called inside the account's context.
MemberLimit = Callable[[int], int | None]

_limit_of: MemberLimit | None = None


def ask_for_member_limit(of: MemberLimit) -> None:
    """Have every invitation and every acceptance ask `of`; a later app calls this once."""
    global _limit_of
    _limit_of = of


def member_limit(account_id: int) -> int | None:
    """Return how many members the account may have; None is as many as it likes."""
    return _limit_of(account_id) if _limit_of else None
