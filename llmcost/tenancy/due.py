"""Which accounts have work waiting: the one list that may be read without being a tenant."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import QuerySet

from llmcost import clock
from llmcost.models import DueWork


def schedule(kind: str, account_id: int, at: datetime) -> None:
    """Note that this account has work of a kind from `at` on; an earlier time stays."""
    row, made = DueWork.objects.get_or_create(
        kind=kind, account_id=account_id, defaults={"due_at": at}
    )
    if not made and row.due_at > at:
        DueWork.objects.filter(pk=row.pk, due_at__gt=at).update(due_at=at)


def accounts_due(kind: str, at: datetime, limit: int = 100) -> list[int]:
    """Return the accounts whose time has come, the longest waiting first."""
    due = DueWork.objects.filter(kind=kind, due_at__lte=at).order_by("due_at")
    return list(due.values_list("account_id", flat=True)[:limit])


def turns(kind: str, *, lease: timedelta, within: timedelta | None = None) -> Iterator["Turn"]:
    """Take each account whose time has come under a lease, the longest waiting first.

    Whoever works on it ends the turn. One that is not ended, because the worker was killed or
    somebody else's server was away, comes again when its lease is over. None begins after `within`.
    """
    ends = clock.now() + within if within else None
    for account_id in accounts_due(kind, clock.now()):
        if ends and clock.now() >= ends:
            return
        yield Turn(kind, account_id, lease=lease, ends=ends)


class Turn:
    """A worker's turn at an account's work: a lease, renewed step by step where that takes long.

    It is taken before the work, so that what is announced meanwhile finds a time that it can bring
    forward. Another worker takes over when the lease has run out, or when more work is announced;
    so what is done in a turn must bear being done by two at once.
    """

    def __init__(
        self, kind: str, account_id: int, *, lease: timedelta, ends: datetime | None
    ) -> None:
        self.kind, self.account_id = kind, account_id
        self._lease, self._ends = lease, ends
        self._until = clock.now() + lease
        DueWork.objects.filter(kind=kind, account_id=account_id).update(due_at=self._until)

    def goes_on(self) -> bool:
        """Renew the lease, and say whether there is time for another step."""
        until = clock.now() + self._lease
        if self._move(until):
            self._until = until
        return self._ends is None or clock.now() < self._ends

    def end(self, until: datetime) -> None:
        """Have the account looked at again at `until`, or at once if work was announced."""
        self._move(until)

    def forget(self) -> None:
        """There is no more work of this kind, unless some was announced."""
        self._mine().delete()

    def _move(self, until: datetime) -> bool:
        return bool(self._mine().update(due_at=until))

    def _mine(self) -> QuerySet[DueWork]:
        return DueWork.objects.filter(
            kind=self.kind, account_id=self.account_id, due_at=self._until
        )
