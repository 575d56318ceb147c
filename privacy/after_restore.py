"""Making a restored database forget again what was erased after its backup was made.

The file of tombstones names things by keyed hash only, so they are found by hashing what the
database holds. Safe to repeat; only when all of it is erased again does /readyz say so.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection, transaction

from accounts.models import Account
from events.ingest.store import FOLD
from events.sql import statement
from llmcost import clock
from llmcost.models import DueWork
from llmcost.tenancy.context import tenant
from privacy import erasure, people, purge, receipts, tombstones
from privacy.models import Erasure
from privacy.tombstones import TombstoneLine
from projects.models import ApiKey, Project


def replay() -> Iterator[tuple[TombstoneLine, bool]]:
    """Erase again, tombstone by tombstone; yield each, and whether there was anything to erase.

    One that cannot be erased now (LookupError, or rows that were found again) ends it unmarked.
    """
    missing = tombstones.unapplied()
    accounts = {
        receipts.reference("account", account.public_id): account for account in _accounts()
    }
    for line in missing:
        account = accounts.get(line.account)
        if line.scope == "person":
            found = people.forget_again(line.user)
        else:
            found = account is not None and _erase_again(line, account)
        if line.scope == "account":
            accounts.pop(line.account, None)
        tombstones.mark_applied(line.id)
        yield line, found


def _accounts() -> Iterator[Account]:
    """Every account of the database, by the one list that names them all."""
    numbers = DueWork.objects.filter(kind=FOLD).values_list("account_id", flat=True)
    for number in numbers:
        with tenant(number):
            account = Account.objects.filter(pk=number).first()
        if account is not None:
            yield account


def _erase_again(line: TombstoneLine, account: Account) -> bool:
    if line.scope == "account":
        _purge_again(account)
        return True
    with tenant(account.pk):
        projects = {
            receipts.reference("project", account.public_id, project.pk): project
            for project in Project.objects.filter(account_id=account.pk)
        }
        project = projects.get(line.project)
        asked = _request(line, account, project) if project else None
    if asked is None:
        return False
    if asked.state != Erasure.State.DONE and not erasure.carry_out(asked):
        raise LookupError(f"the deletion {line.id} could not be finished")
    return True


def _purge_again(account: Account) -> None:
    """The account was purged already: what came back has been due since then."""
    with tenant(account.pk):
        now = clock.now()
        Account.objects.filter(pk=account.pk).update(
            closed_at=account.closed_at or account.created_at, purge_due_at=now
        )
        account.purge_due_at = now
        purge.plan(account, now, receipts.BY_RECEIPT)
    purge.purge(account.pk, is_again=True)


def _request(line: TombstoneLine, account: Account, project: Project) -> Erasure | None:
    """Return the request of the tombstone, made anew if the backup was made before it was; None
    if there is nothing of it here.
    """
    begun = Erasure.objects.filter(account_id=account.pk, public_id=line.id).first()
    if begun is not None:
        begun.is_again = True
        # However often it was tried before, a replay that never ends with it would never be ready.
        begun.attempts = 0
        if begun.state == Erasure.State.FAILED:
            begun.state = Erasure.State.RUNNING
        begun.save(update_fields=["is_again", "attempts", "state"])
        return begun
    user_id = ""
    if line.scope == Erasure.Scope.USER:
        user_id = _user_behind(line, account, project) or ""
        if not user_id:
            return None
    if line.scope == Erasure.Scope.PROJECT:
        ApiKey.objects.filter(account_id=account.pk, project=project).update(revoked_at=clock.now())
    return _again(line, account, project, user_id)


@transaction.atomic
def _again(line: TombstoneLine, account: Account, project: Project, user_id: str) -> Erasure:
    """Ask once more under the same id, as of now; nobody uses this database yet."""
    # Nor has anybody used a key of it for longer than keys are remembered.
    waited = erasure.KEYS_STOP if line.scope == Erasure.Scope.PROJECT else timedelta()
    return Erasure.objects.create(
        public_id=line.id,
        account_id=account.pk,
        project_id=project.pk,
        scope=line.scope,
        mode=line.mode,
        start=datetime.fromisoformat(line.start) if line.start else None,
        end=datetime.fromisoformat(line.end) if line.end else None,
        user_id=user_id,
        user_ref=line.user,
        stand_in=erasure.new_stand_in() if line.mode == Erasure.Mode.ANONYMISE else "",
        requested_at=clock.now() - waited,
        expected=0,
        is_again=True,
    )


def _user_behind(line: TombstoneLine, account: Account, project: Project) -> str | None:
    """Find the user id whose keyed hash the tombstone holds, among those that came back."""
    with connection.cursor() as cursor:
        cursor.execute(statement("user_ids"), {"account": account.pk, "project": project.pk})
        for (user_id,) in cursor:
            if receipts.reference("user", account.public_id, project.pk, user_id) == line.user:
                return user_id
    return None
