"""The end of a closed account: thirty days after it, everything goes that no law wants kept.

Work goes account by account inside that account's own context, in bounded batches, each its own
transaction that also counts what is gone. So it may be killed at any moment, run twice, late or
at once, and goes on where it stopped. Only when a second look, on a new connection, finds nothing
is there a receipt.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from allauth.socialaccount.models import SocialAccount
from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Now

from accounts import audit
from accounts.models import Account, Membership, Role, User
from accounts.sso.connections import logins_of
from billing.retention import RECORDS, kept_until, note_departure
from llmcost import clock, outbox, upkeep
from llmcost.errors import AppError
from llmcost.models import DueWork, OutgoingMail
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant
from privacy import receipts, tombstones
from privacy.models import Purge
from privacy.people import forget_if_alone
from privacy.plan import ACCOUNT, Table, tables
from privacy.receipts import Kept
from privacy.signals import erasing
from privacy.tombstones import TombstoneLine
from privacy.watched_clock import trusted_now

logger = logging.getLogger(__name__)

PURGE = "purge"
# Work that is due although the account is gone.
OUTLIVING = (PURGE, RECORDS)
WARNINGS = (timedelta(days=7), timedelta(days=1))
BATCH = 10_000
RETRY = timedelta(minutes=10)
# A task must end well before the broker gives its message to another worker.
CHUNK = timedelta(seconds=90)


class NotClosed(AppError):
    code, status = "not_closed", 409
    message = "Close the account first: that stops its keys and its subscription."


# --- When it begins and when it is taken back ------------------------------------------------
def plan_purge(account: Account, *, verified_by: str = receipts.BY_SIGN_IN) -> None:
    """Fix the date: the next look is at the first warning. In the closing's transaction."""
    if account.purge_due_at is None:
        raise ValueError("only a closed account is purged")
    plan(account, account.closed_at, verified_by)
    due.schedule(PURGE, account.pk, account.purge_due_at - WARNINGS[0])


@transaction.atomic
def purge_now(account_id: int, *, by: User) -> None:
    """Let a closed account be purged at once instead of in 30 days; inside its context.

    Raises NotClosed for one that is open.
    """
    closed = Account.objects.filter(pk=account_id, closed_at__isnull=False)
    # A moment later than the closing, which may have been this very transaction's.
    if not closed.update(purge_due_at=Now() + timedelta(milliseconds=1)):
        raise NotClosed
    account = Account.objects.get(pk=account_id)
    plan(account, clock.now(), receipts.BY_SIGN_IN)
    audit.record(account_id, "account.purge_asked", by=by)
    due.schedule(PURGE, account_id, account.purge_due_at)
    transaction.on_commit(_wake, robust=True)


def _wake() -> None:
    """Begin soon; the sweeper of each five minutes finds the row if this is lost."""
    current_app.send_task("privacy.tasks.purge_due", retry=False)


def plan(account: Account, requested_at: datetime | None, verified_by: str) -> None:
    """Write down when an account is to go, when that was asked, and how it was known by whom."""
    Purge.objects.update_or_create(
        account_id=account.pk,
        defaults={
            "account_public_id": account.public_id,
            "requested_at": requested_at,
            "verified_by": verified_by,
            "due_at": account.purge_due_at,
        },
    )


def cancel_purge(account: Account) -> None:
    """Take the date back: the account came again before it. In the reopening's transaction."""
    Purge.objects.filter(account_id=account.pk, started_at=None).delete()
    DueWork.objects.filter(kind=PURGE, account_id=account.pk).delete()


# --- The task --------------------------------------------------------------------------------
def purge_due_accounts() -> int:
    """Warn and purge whoever's time has come, for at most CHUNK; return how many accounts are gone.

    Raises ClockHasJumped, after having noted the new time.
    """
    now = trusted_now()
    gone = 0
    for turn in due.turns(PURGE, lease=RETRY, within=CHUNK):
        account_id = turn.account_id
        planned = Purge.objects.filter(account_id=account_id).first()
        if planned is None or planned.done_at:
            DueWork.objects.filter(kind=PURGE, account_id=account_id).delete()
        elif planned.due_at > now:
            _warn(account_id, planned.due_at, now)
            later = [planned.due_at - ahead for ahead in WARNINGS if planned.due_at - ahead > now]
            turn.end(min([*later, planned.due_at]))
        elif purge(account_id, goes_on=turn.goes_on):
            gone += 1
        else:
            turn.end(clock.now())
            _wake()
            return gone
    return gone


def _warn(account_id: int, due_at: datetime, now: datetime) -> None:
    """Mail the owners, once for each warning whose time has come."""
    ahead = min((one for one in WARNINGS if due_at - one <= now), default=None)
    if ahead is None:
        return
    with tenant(account_id):
        account = Account.objects.get(pk=account_id)
        owners = User.objects.filter(
            memberships__account_id=account_id, memberships__role=Role.OWNER
        )
        for owner in owners:
            outbox.post(
                "privacy/email/purge_warning",
                owner.email,
                {"user": owner, "account": account, "due_at": due_at, "days": ahead.days},
                account_id=account_id,
                once=f"purge:{account_id}:{due_at.isoformat()}:{ahead.days}:{owner.pk}",
            )


# --- The deletion ----------------------------------------------------------------------------
def purge(
    account_id: int, *, goes_on: Callable[[], bool] = lambda: True, is_again: bool = False
) -> bool:
    """Delete everything of an account whose date has come, as long as it `goes_on`.

    Says whether all of it is gone. Safe to repeat after any kill. `is_again` after a restore: the
    tombstone is there already, and counts once all is gone again.

    Raises LookupError if it is not due: not closed, reopened, or too early by the database's clock.
    """
    planned = _begin(account_id, is_again=is_again)
    if planned.done_at:
        return True
    order = tables()
    erasing.send(Purge, account_id=account_id)
    _part_with_others(planned)
    _part_with_people(account_id, is_again=is_again)
    for table in order:
        if not table.is_kept and not _empty(account_id, table, goes_on):
            return False
    _delete_the_rest(account_id)
    done_at = clock.now()
    connection.close()  # the second look trusts nothing that the first has cached
    left = _left(planned, order)
    if left:
        raise LookupError(f"rows were left in {', '.join(sorted(left))}")
    _finish(account_id, _kept(account_id, order), done_at)
    return True


def _begin(account_id: int, *, is_again: bool) -> Purge:
    planned = Purge.objects.filter(account_id=account_id, due_at__lte=Now()).first()
    if planned is None:
        raise LookupError("this account is not due")
    if planned.started_at is None:
        with tenant(account_id):
            # The lock keeps reopening out from here on.
            account = (
                Account.objects.select_for_update()
                .filter(pk=account_id, closed_at__isnull=False, purge_due_at__lte=Now())
                .first()
            )
            if account is None:
                raise LookupError("this account is not due")
            if not is_again:
                _bury(account)
            planned.started_at = clock.now()
            planned.save(update_fields=["started_at"])
    return planned


def _bury(account: Account) -> None:
    line = TombstoneLine(
        id=receipts.reference("purge", account.public_id),
        scope="account",
        at=clock.now().isoformat(),
        account=receipts.reference("account", account.public_id),
    )
    tombstones.bury(line)
    tombstones.mark_applied(line.id)


def _part_with_others(planned: Purge) -> None:
    """Delete what leads from others to the account: the customer at Stripe, its provider's logins.

    Stripe is asked by a task of its own, so that it cannot hinder us when it is away.
    """
    with tenant(planned.account_id):
        if note_departure(planned.account_id):
            planned.passed_on = ["Stripe: to delete the customer"]
            planned.save(update_fields=["passed_on"])
        if planned.account_public_id is not None:
            logins, _ = logins_of(planned.account_public_id).delete()
            _count(planned.account_id, SocialAccount._meta.db_table, logins)


def _part_with_people(account_id: int, *, is_again: bool) -> None:
    """Delete the memberships one by one, and with each the person who has no other."""
    while True:
        with tenant(account_id):
            # Locked, so that of two workers only one counts it and its person.
            memberships = Membership.objects.filter(account_id=account_id).select_related("user")
            membership = memberships.select_for_update(of=("self",)).order_by("pk").first()
            if membership is None:
                return
            membership.delete()
            _count(account_id, "accounts_membership", 1)
            if forget_if_alone(membership.user, is_again=is_again):
                _count(account_id, "accounts_user", 1)


def _empty(account_id: int, table: Table, goes_on: Callable[[], bool]) -> bool:
    """Delete an account's rows of one table, batch by batch; say whether all are gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, 'DELETE')", [table.name])
        [may_delete] = cursor.fetchone()
    if not may_delete:
        return _have_emptied(account_id, table, goes_on)
    after: tuple[Any, ...] | None = ()
    while after is not None:
        with tenant(account_id), connection.cursor() as cursor:
            after = _delete_batch(cursor, account_id, table, after)
        if after is not None and not goes_on():
            return False
    return True


def _have_emptied(account_id: int, table: Table, goes_on: Callable[[], bool]) -> bool:
    """Do the same where we may only add: the table's owner deletes, for an account that is due."""
    while _holds(account_id, table):
        with tenant(account_id), connection.cursor() as cursor:
            cursor.execute("SELECT llmcost_purge_kept_trail(%s)", [table.name])
            _count(account_id, table.name, cursor.fetchone()[0])
        if not goes_on():
            return False
    return True


def _delete_batch(
    cursor: CursorWrapper, account_id: int, table: Table, after: tuple[Any, ...]
) -> tuple[Any, ...] | None:
    """Delete the next rows in the order of their key; return the last one's, None at the end.

    Each batch goes on where the one before has ended: from the start it would pass all the places
    of what is gone already.
    """
    if not table.key:
        cursor.execute(f"DELETE FROM {table.name} WHERE account_id = %s", [account_id])
        _count(account_id, table.name, cursor.rowcount)
        return None
    key = ", ".join(table.key)
    places = ", ".join(["%s"] * len(after))
    cursor.execute(
        f"""
        WITH chosen AS (
            SELECT {key} FROM {table.name}
            WHERE account_id = %s {f"AND ({key}) > ({places})" if after else ""}
            ORDER BY {key} LIMIT %s
        ), gone AS (
            DELETE FROM {table.name} AS old USING chosen
            WHERE old.account_id = %s
                AND {" AND ".join(f"old.{one} = chosen.{one}" for one in table.key)}
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM chosen), {key}
        FROM chosen ORDER BY {", ".join(f"{one} DESC" for one in table.key)} LIMIT 1
        """,
        [account_id, *after, BATCH, account_id],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    gone, chosen, *last = row
    _count(account_id, table.name, gone)
    return tuple(last) if chosen == BATCH else None


def _holds(account_id: int, table: Table) -> bool:
    with tenant(account_id), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {table.name} WHERE account_id = %s)", [account_id]
        )
        return cursor.fetchone()[0]


def _delete_the_rest(account_id: int) -> None:
    with tenant(account_id), connection.cursor() as cursor:
        # Not by Django, which would look for rows to delete with it, also in tables that stay.
        cursor.execute("DELETE FROM accounts_account WHERE id = %s", [account_id])
        _count(account_id, ACCOUNT, cursor.rowcount)
        DueWork.objects.filter(account_id=account_id).exclude(kind__in=OUTLIVING).delete()
        OutgoingMail.objects.filter(account_id=account_id).delete()


def _count(account_id: int, table: str, rows: int) -> None:
    """Add to the counts in the transaction that deletes, so that they are exact."""
    if not rows:
        return
    planned = Purge.objects.select_for_update().get(account_id=account_id)
    planned.counts[table] = planned.counts.get(table, 0) + rows
    planned.save(update_fields=["counts"])


def _left(planned: Purge, order: list[Table]) -> set[str]:
    account_id = planned.account_id
    left = {table.name for table in order if not table.is_kept and _holds(account_id, table)}
    if planned.account_public_id and logins_of(planned.account_public_id).exists():
        left.add(SocialAccount._meta.db_table)
    with tenant(account_id):
        if Account.objects.filter(pk=account_id).exists():
            left.add(ACCOUNT)
    if DueWork.objects.filter(account_id=account_id).exclude(kind__in=OUTLIVING).exists():
        left.add(DueWork._meta.db_table)
    if OutgoingMail.objects.filter(account_id=account_id).exists():
        left.add(OutgoingMail._meta.db_table)
    return left


def _kept(account_id: int, order: list[Table]) -> list[Kept]:
    """Return what stays of an account, with the number of rows, by which law, and until when."""
    years = f"{settings.BILLING_RETENTION_YEARS} years from the end of the calendar year"
    law = f"{settings.BILLING_RETENTION_LAW} ({years}); GDPR art. 17(3)(b)"
    kept = []
    with tenant(account_id), connection.cursor() as cursor:
        until = kept_until(account_id)
        for table in order:
            if not table.is_kept or until is None:
                continue
            cursor.execute(f"SELECT count(*) FROM {table.name} WHERE account_id = %s", [account_id])
            if rows := cursor.fetchone()[0]:
                kept.append(Kept(f"{table.name}: {rows} rows", law, until.date().isoformat()))
    staff = "that our staff did something in the account, and when; numbers only"
    return [*kept, Kept(staff, "GDPR art. 6(1)(f), security", receipts.FOR_GOOD)]


@transaction.atomic
def _finish(account_id: int, kept: list[Kept], done_at: datetime) -> None:
    planned = Purge.objects.select_for_update().get(account_id=account_id)
    if planned.done_at or planned.account_public_id is None:
        return
    receipt = receipts.issue(
        "purge",
        planned.account_public_id,
        receipts.proof(
            asked={
                "scope": "account",
                "due_at": planned.due_at.isoformat(),
                "started_at": planned.started_at.isoformat() if planned.started_at else None,
            },
            requested_at=planned.requested_at or planned.due_at,
            verified_by=planned.verified_by,
            done_at=done_at,
            rows=planned.counts,
            passed_on=planned.passed_on,
            kept=kept,
        ),
    )
    planned.done_at, planned.receipt_number = clock.now(), receipt.number
    planned.account_public_id = None
    planned.save()
    DueWork.objects.filter(kind=PURGE, account_id=account_id).delete()
    upkeep.ask(upkeep.AT_ONCE_FROM)
    logger.info("account_purged", extra={"receipt": receipt.number})
