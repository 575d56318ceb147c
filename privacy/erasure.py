"""Deletions that a customer asks for: an end user, a span of time, a project.

A request is a row; whatever happens to messages and workers, the row is worked off: batch by
batch, each its own transaction, with the count of what is gone in the same transaction. Then a
second look on a new connection, and only if that finds nothing a receipt.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from celery import current_app
from django.db import connection, transaction

from accounts import audit
from accounts.models import Account, Actor, User
from events import erasure
from events.erasure import Selection
from llmcost import clock, upkeep
from llmcost.errors import AppError, NotFound
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant
from privacy import receipts, tombstones
from privacy.models import Erasure, RefusedUser
from privacy.plan import tables
from privacy.receipts import Kept
from privacy.signals import erasing
from privacy.tombstones import TombstoneLine
from projects.models import ApiKey, Project

logger = logging.getLogger(__name__)

ERASE = "erase"
# A worker that dies is followed after so long; every batch renews it. Two at once do no harm.
LEASE = timedelta(seconds=20)
# A task must end well before the broker gives its message to another worker.
CHUNK = timedelta(seconds=90)
# Revoked keys are refused everywhere after five seconds; until then calls may still arrive.
KEYS_STOP = timedelta(seconds=6)
# So many in a row that lead nowhere; then as many a day later, and the report says so.
MOST_ATTEMPTS = 20
GIVEN_UP, TRIED_AGAIN_AFTER = "erase_given_up", timedelta(days=1)


class NothingHeld(NotFound):
    message = "No call of this user id is held."


class LastProject(AppError):
    code, status = "last_project", 409
    message = "This is the only project. Make another one first, or close the account."


# --- Asking ----------------------------------------------------------------------------------
def erase_user(
    project: Project,
    user_id: str,
    *,
    mode: str = Erasure.Mode.DELETE,
    refuse_later: bool = False,
    by: User | None,
) -> Erasure:
    """Ask that all calls of an end user be deleted or anonymised; inside the account's context.

    `by` is None for a key. Raises NothingHeld where there is no call of that id. Asking again for
    the same id while an erasure is open returns that one.
    """
    account = Account.objects.get(pk=project.account_id)
    user_ref = receipts.reference("user", account.public_id, project.pk, user_id)
    running = Erasure.objects.open().filter(
        account_id=account.pk, project_id=project.pk, user_ref=user_ref, mode=mode
    )
    if (same := running.first()) is not None:
        return same
    selection = Selection(
        account_id=account.pk, project_id=project.pk, received_until=clock.now(), user_id=user_id
    )
    expected = erasure.held(selection)
    if not expected:
        raise NothingHeld
    return _ask(
        account,
        by,
        project_id=project.pk,
        scope=Erasure.Scope.USER,
        mode=mode,
        user_id=user_id,
        user_ref=user_ref,
        stand_in=new_stand_in() if mode == Erasure.Mode.ANONYMISE else "",
        refuse_later=refuse_later,
        expected=expected,
    )


def new_stand_in() -> str:
    """Return a random user id that leads back to nobody."""
    return f"anon_{secrets.token_urlsafe(16)}"


def erase_span(project: Project, start: datetime, end: datetime, *, by: User) -> Erasure:
    """Ask that the calls of a span of time be deleted (`end` exclusive)."""
    account = Account.objects.get(pk=project.account_id)
    expected = preview(project, start, end)
    return _ask(
        account,
        by,
        project_id=project.pk,
        scope=Erasure.Scope.SPAN,
        start=start,
        end=end,
        expected=expected,
    )


def erase_project(project: Project, *, by: User) -> Erasure:
    """Ask that a project be deleted with all its calls; its keys stop at once.

    Raises LastProject for the only one.
    """
    account = Account.objects.select_for_update(no_key=True).get(pk=project.account_id)
    if not Project.objects.filter(account_id=account.pk).exclude(pk=project.pk).exists():
        raise LastProject
    ApiKey.objects.filter(account_id=account.pk, project=project, revoked_at=None).update(
        revoked_at=clock.now()
    )
    running = Erasure.objects.open().filter(
        account_id=account.pk, project_id=project.pk, scope=Erasure.Scope.PROJECT
    )
    if (same := running.first()) is not None:
        return same
    return _ask(
        account,
        by,
        project_id=project.pk,
        scope=Erasure.Scope.PROJECT,
        expected=preview(project),
    )


def preview(
    project: Project,
    start: datetime | None = None,
    end: datetime | None = None,
    user_id: str | None = None,
) -> int:
    """Return how many calls a deletion would take, exactly, as of now."""
    span = {"start": start, "end": end} if start and end else {}
    return erasure.held(
        Selection(
            account_id=project.account_id,
            project_id=project.pk,
            received_until=clock.now(),
            user_id=user_id,
            **span,
        )
    )


@transaction.atomic
def _ask(account: Account, by: User | None, **fields: Any) -> Erasure:
    asked = Erasure.objects.create(
        account_id=account.pk,
        requested_by=by.pk if by else None,
        requested_at=clock.now(),
        **fields,
    )
    audit.record(
        account.pk,
        "data.erasure_asked",
        by=by,
        actor=None if by else Actor.KEY,
        subject=str(asked.public_id),
        scope=asked.scope,
        mode=asked.mode,
        calls=asked.expected,
    )
    due.schedule(ERASE, account.pk, clock.now())
    transaction.on_commit(_wake, robust=True)
    return asked


def _wake() -> None:
    """Begin soon; the sweeper of each ten seconds finds the row if this is lost."""
    current_app.send_task("privacy.tasks.erase_due", retry=False)


# --- Doing -----------------------------------------------------------------------------------
def erase_due() -> int:
    """Work off what was asked, for at most CHUNK; return how many erasures were finished."""
    finished = 0
    _try_again()
    for turn in due.turns(ERASE, lease=LEASE, within=CHUNK):
        account_id = turn.account_id
        with tenant(account_id):
            waiting = list(Erasure.objects.open().filter(account_id=account_id).order_by("pk"))
        for asked in waiting:
            finished += _carry_out(asked, turn.goes_on)
            if not turn.goes_on():
                turn.end(clock.now())
                _wake()
                return finished
        with tenant(account_id):
            is_open = Erasure.objects.open().filter(account_id=account_id).exists()
        turn.end(clock.now() + (timedelta(seconds=5) if is_open else timedelta(days=1)))
    return finished


def _try_again() -> None:
    """Open what was given up a day ago: whatever stood in its way may be mended."""
    for turn in due.turns(GIVEN_UP, lease=LEASE):
        with tenant(turn.account_id):
            given_up = Erasure.objects.filter(
                account_id=turn.account_id, state=Erasure.State.FAILED
            )
            given_up.update(state=Erasure.State.QUEUED, attempts=0)
            due.schedule(ERASE, turn.account_id, clock.now())
        turn.forget()


def carry_out(asked: Erasure) -> bool:
    """Do one erasure to its end; say whether it is done. Safe to repeat after any kill."""
    return _carry_out(asked, lambda: True)


def _carry_out(asked: Erasure, goes_on: Callable[[], bool]) -> bool:
    begun = _begin(asked)
    if begun is None:
        return False
    selection = _selection(begun)
    if not erasure.in_batches(selection, partial(_one_batch, begun), goes_on):
        return False
    if not erasure.settle(selection, goes_on=goes_on):
        return False
    erasing.send(Erasure, account_id=begun.account_id)
    if begun.scope == Erasure.Scope.PROJECT:
        _delete_project(begun)
    done_at = clock.now()
    connection.close()  # the second look trusts nothing that the first has cached
    left = erasure.left(selection)
    if left:
        logger.warning("erasure_repeats", extra={"erasure": str(begun.public_id), "left": left})
        return False
    return _finish(begun, done_at)


def _begin(asked: Erasure) -> Erasure | None:
    """Mark it as running; None if it is not its turn (done, given up, keys still in use)."""
    account_id = asked.account_id
    with tenant(account_id):
        row = (
            Erasure.objects.open()
            .select_for_update()
            .filter(account_id=account_id, pk=asked.pk)
            .first()
        )
        if row is None:
            return None
        if row.scope == Erasure.Scope.PROJECT and clock.now() < row.requested_at + KEYS_STOP:
            return None
        row.attempts += 1
        if row.attempts > MOST_ATTEMPTS:
            row.state = Erasure.State.FAILED
            row.save(update_fields=["attempts", "state"])
            due.schedule(GIVEN_UP, account_id, clock.now() + TRIED_AGAIN_AFTER)
            logger.error("erasure_given_up", extra={"erasure": str(row.public_id)})
            return None
        account = Account.objects.get(pk=account_id)
        line = TombstoneLine(
            id=str(row.public_id),
            scope=row.scope,
            at=row.requested_at.isoformat(),
            account=receipts.reference("account", account.public_id),
            project=receipts.reference("project", account.public_id, row.project_id),
            user=row.user_ref,
            start=row.start.isoformat() if row.start else "",
            end=row.end.isoformat() if row.end else "",
            mode=row.mode,
        )
        # After a restore the tombstone is there already, and counts once all is erased again.
        if not row.is_again:
            tombstones.bury(line)
            tombstones.mark_applied(line.id)
        if row.refuse_later:
            RefusedUser.objects.get_or_create(
                account_id=account_id, project_id=row.project_id, user_ref=row.user_ref
            )
        row.state = Erasure.State.RUNNING
        row.save(update_fields=["attempts", "state"])
        return row


def _selection(asked: Erasure) -> Selection:
    # A project is gone with whatever a key sent in the seconds before it was refused everywhere.
    until = clock.now() if asked.scope == Erasure.Scope.PROJECT else asked.requested_at
    span = {"start": asked.start, "end": asked.end} if asked.scope == Erasure.Scope.SPAN else {}
    return Selection(
        account_id=asked.account_id,
        project_id=asked.project_id,
        received_until=until,
        user_id=asked.user_id if asked.scope == Erasure.Scope.USER else None,
        **span,
    )


def _one_batch(asked: Erasure, window: Selection) -> Selection | None:
    """Erase some calls; return what is left to look through."""
    with tenant(asked.account_id):
        gone, rest = (
            erasure.anonymise_batch(window, asked.stand_in)
            if asked.mode == Erasure.Mode.ANONYMISE
            else erasure.erase_batch(window)
        )
        if gone:
            _count(asked, "events_event", gone)
    return rest


def _count(asked: Erasure, table: str, rows: int) -> None:
    """Add to the counts in the transaction that deletes, so that they are exact."""
    row = Erasure.objects.select_for_update().get(account_id=asked.account_id, pk=asked.pk)
    row.counts[table] = row.counts.get(table, 0) + rows
    row.attempts = 0  # only those that lead nowhere are counted
    row.save(update_fields=["counts", "attempts"])


def _delete_project(asked: Erasure) -> None:
    """Delete what else belongs to the project, then the project; this request itself stays."""
    own = {Erasure._meta.db_table}
    with tenant(asked.account_id), connection.cursor() as cursor:
        for table in tables():
            if not table.has_project or table.is_kept or table.name in own:
                continue
            cursor.execute(
                f"DELETE FROM {table.name} WHERE account_id = %s AND project_id = %s",
                [asked.account_id, asked.project_id],
            )
            if cursor.rowcount:
                _count(asked, table.name, cursor.rowcount)
        cursor.execute(
            "DELETE FROM projects_project WHERE account_id = %s AND id = %s",
            [asked.account_id, asked.project_id],
        )
        _count(asked, "projects_project", cursor.rowcount)


def _verified_by(asked: Erasure) -> str:
    if asked.is_again:
        return receipts.BY_RECEIPT
    return receipts.BY_SIGN_IN if asked.requested_by else receipts.BY_KEY


def _kept(asked: Erasure) -> list[Kept]:
    """Return what stays of a deletion itself, under which law, and until when."""
    proof = "GDPR art. 5(2), accountability"
    kept = [
        Kept("lines in the account's audit trail: asked, done", proof, receipts.WITH_THE_ACCOUNT),
        Kept(
            "the request, with a keyed hash of the user id" if asked.user_ref else "the request",
            proof,
            receipts.WITH_THE_ACCOUNT,
        ),
    ]
    if asked.refuse_later:
        refused = "a keyed hash of the user id, by which later calls are refused"
        kept.append(
            Kept(refused, "the customer's instruction, GDPR art. 28", receipts.WITH_THE_ACCOUNT)
        )
    return kept


def _finish(asked: Erasure, done_at: datetime) -> bool:
    with tenant(asked.account_id):
        row = (
            Erasure.objects.open()
            .select_for_update()
            .filter(account_id=asked.account_id, pk=asked.pk)
            .first()
        )
        if row is None:
            return False
        account = Account.objects.get(pk=asked.account_id)
        receipt = receipts.issue(
            "erasure",
            account.public_id,
            receipts.proof(
                asked={
                    "request": str(row.public_id),
                    "scope": row.scope,
                    "mode": row.mode,
                    "user": row.user_ref,
                    "from": row.start.isoformat() if row.start else None,
                    "to": row.end.isoformat() if row.end else None,
                    "later_calls_refused": row.refuse_later,
                },
                requested_at=row.requested_at,
                verified_by=_verified_by(row),
                done_at=done_at,
                rows=row.counts,
                kept=_kept(row),
            ),
        )
        row.state, row.done_at, row.receipt_number = Erasure.State.DONE, done_at, receipt.number
        row.user_id = row.stand_in = ""
        row.save()
        upkeep.ask(sum(row.counts.values()))
        audit.record(
            account.pk,
            "data.erased",
            by=None,
            actor=Actor.SYSTEM,
            subject=str(row.public_id),
            receipt=receipt.number,
            calls=row.counts.get("events_event", 0),
        )
        return True
