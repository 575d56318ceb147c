"""Deltas into rollups, account by account."""

import logging
from datetime import timedelta

from django.db import connection

from events.ingest.quota import COUNTED
from events.ingest.store import FOLD
from events.sql import statement
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant

logger = logging.getLogger(__name__)

# About half a second of work. An account with more waiting has its next turn at the next tick, so
# that a busy one neither keeps others waiting nor takes more than a quarter of a core from ingest.
CALLS_AT_ONCE = 50_000
# An account that was busy is looked at again soon, a silent one at the latest after an hour:
# ingest brings the next look forward, and if that note is lost this finds the deltas.
AT_ONCE, SOON, AT_THE_LATEST = timedelta(0), timedelta(seconds=2), timedelta(hours=1)
LEASE = timedelta(seconds=10)
# Whoever looks at the months (plans) need not do so with every fold.
LOOK_AFTER = timedelta(minutes=1)


def fold_due_accounts(limit: int = CALLS_AT_ONCE) -> int:
    """Give every account whose time has come one turn; return how many calls were folded."""
    folded = 0
    for turn in due.turns(FOLD, lease=LEASE):
        here = fold(turn.account_id, limit)
        turn.end(clock.now() + _wait(here, limit))
        if here:
            due.schedule(COUNTED, turn.account_id, clock.now() + LOOK_AFTER)
        folded += here or 0
    if folded:
        logger.info("deltas_folded", extra={"calls": folded})
    return folded


def _wait(folded: int | None, limit: int) -> timedelta:
    if folded is None:  # somebody else takes a turn, and may leave something
        return SOON
    if folded >= limit:
        return AT_ONCE
    return SOON if folded else AT_THE_LATEST


def fold(account_id: int, limit: int = CALLS_AT_ONCE, *, is_patient: bool = False) -> int | None:
    """Fold deltas of an account that hold about `limit` calls, all or none; return how many calls.

    None says that somebody else is folding this account, unless `is_patient`: then that one's end
    is waited for. Safe to run twice, late, killed or at once: a delta is deleted by whoever adds
    it.
    """
    with tenant(account_id), connection.cursor() as cursor:
        # One folder for an account at a time; another one that comes meanwhile has nothing to do.
        cursor.execute(
            "SELECT 1 FROM accounts_account WHERE id = %s FOR NO KEY UPDATE"
            + ("" if is_patient else " SKIP LOCKED"),
            [account_id],
        )
        if cursor.fetchone() is None:
            return None
        # A turn's sums fit into this; with less they would go to disk and back.
        cursor.execute("SET LOCAL work_mem = '32MB'")
        cursor.execute(statement("fold"), {"account": account_id, "limit": limit})
        return cursor.fetchone()[0]
