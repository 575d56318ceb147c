"""Giving back what deleted rows have left behind: their space, and values in the statistics.

A deleted row stays on disk until PostgreSQL vacuums its table, and the planner's statistics hold
common values of each column (a user id, a feature) until the table is analysed again. Whoever
deletes asks here; a row in the database remembers it, so that a lost message loses nothing.

It needs PostgreSQL 17 or newer, where a table may be vacuumed by who does not own it. On an older
server autovacuum does the same in its own time.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, connection

from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.roles import MAINTAIN_FROM

logger = logging.getLogger(__name__)

SWEEP = "sweep"
# Nobody's account: what is swept is whole tables.
EVERYBODY = 0
# So many deleted rows are given back at once; fewer wait, so that a thousand small deletions
# cause one sweep.
AT_ONCE_FROM = 50_000
SOON = timedelta(hours=1)
# A task must end well before the broker gives its message to another worker.
CHUNK, LONGEST = timedelta(seconds=60), timedelta(seconds=150)
LEASE = timedelta(minutes=5)
# From it on statistics can be cleared by who may vacuum the table.
FORGET_FROM = 18_00_00

# Tables and partitions that were written since they were last swept, and may be swept by us.
_UNSWEPT = """
    SELECT c.relname::text FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
      AND (s.n_dead_tup > 0 OR s.n_mod_since_analyze > 0)
      AND has_table_privilege(c.oid, 'MAINTAIN')
    ORDER BY s.n_dead_tup DESC
"""
# Of an empty table nothing is sampled, so what was known of it would stay.
_FORGET = """
    SELECT pg_clear_attribute_stats('public', c.relname, a.attname::text, false)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.oid = %s::regclass AND c.reltuples = 0 AND NOT a.attisdropped
"""


def ask(deleted: int) -> None:
    """Have the tables swept, soon after so many rows were deleted, at once after many."""
    wait = timedelta(0) if deleted >= AT_ONCE_FROM else SOON
    due.schedule(SWEEP, EVERYBODY, clock.now() + wait)


def sweep_if_asked() -> int:
    """Sweep what was written since the last time, for about CHUNK; return how many tables."""
    swept = 0
    for turn in due.turns(SWEEP, lease=LEASE, within=CHUNK):
        tables = _unswept()
        for table in tables:
            swept += _sweep(table)
            if not turn.goes_on() and table != tables[-1]:
                turn.end(clock.now())
                return swept
        turn.forget()
        logger.info("tables_swept", extra={"tables": swept})
    return swept


def _unswept() -> list[str]:
    with connection.cursor() as cursor:
        if connection.pg_version < MAINTAIN_FROM:
            return []
        cursor.execute(_UNSWEPT)
        return [table for (table,) in cursor.fetchall()]


def _sweep(table: str) -> bool:
    """Vacuum and analyse one table; what keeps it from that is left to autovacuum."""
    try:
        with connection.cursor() as cursor, _ended_after(LONGEST):
            cursor.execute(f'VACUUM (ANALYZE) "{table}"')
            if connection.pg_version >= FORGET_FROM:
                cursor.execute(_FORGET, [f'"{table}"'])
    except DatabaseError as error:
        logger.warning("sweep_failed", extra={"table": table, "error": type(error).__name__})
        return False
    return True


@contextmanager
def _ended_after(longest: timedelta) -> Iterator[None]:
    """Cancel what the database does for us when it takes too long.

    A setting for it would outlive the statement: VACUUM allows no transaction that ends it.
    """
    alarm = threading.Timer(longest.total_seconds(), connection.connection.cancel_safe)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()
