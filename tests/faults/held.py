"""Holding a process at any statement that writes, without a word of it in the product.

Triggers before every statement on every table of a scratch database wait for a lock that the test
has. A step is a writing statement, the one before it in the same transaction, and which time that
is: "1 D events_event > U privacy_purge". A table that somebody adds tomorrow is a new step by
itself. Whoever is killed while it waits has lost its open transaction and nothing before it, which
is what a killed process leaves wherever it was between the two statements.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from tests.faults.forks import NAME, Child
from tests.up.site import until

LOCK = 5_000_077
# application_name carries the last step of a transaction, to its next statement and to whoever
# looks; it is cut at 63 characters, which still tells steps apart.
INSTALL = f"""
    CREATE SCHEMA fault;
    GRANT USAGE ON SCHEMA fault TO PUBLIC;
    CREATE TABLE fault.passed (step text PRIMARY KEY);
    CREATE TABLE fault.only (step text PRIMARY KEY);
    CREATE FUNCTION fault.hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE
        name text := current_setting('application_name');
        here text;
        times int;
        patience text;
    BEGIN
        IF name NOT LIKE '{NAME}%' THEN
            RETURN NULL;
        END IF;
        here := left(split_part(name, ' > ', 2) || ' > ' || left(TG_OP, 1) || ' ' || TG_TABLE_NAME, 50);
        times := 1 + coalesce(nullif(current_setting('fault.x' || md5(here), true), ''), '0')::int;
        PERFORM set_config('fault.x' || md5(here), times::text, false);
        here := times || ' ' || here;
        PERFORM set_config('application_name', '{NAME} ' || here, true);
        IF NOT EXISTS (SELECT FROM fault.passed WHERE step IN (here, 'all'))
            AND here LIKE '%' || coalesce((SELECT step FROM fault.only), '') THEN
            patience := current_setting('lock_timeout');
            PERFORM set_config('lock_timeout', '0', true);
            PERFORM pg_advisory_xact_lock_shared({LOCK});
            PERFORM set_config('lock_timeout', patience, true);
        END IF;
        RETURN NULL;
    END $$;
    DO $$
    DECLARE one regclass;
    BEGIN
        FOR one IN
            SELECT oid FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        LOOP
            EXECUTE format(
                'CREATE TRIGGER zz_hold BEFORE INSERT OR UPDATE OR DELETE ON %s'
                ' FOR EACH STATEMENT EXECUTE FUNCTION fault.hold()', one);
        END LOOP;
    END $$;
"""
WAITING = f"""
    SELECT substr(application_name, length('{NAME} ') + 1) FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE locktype = 'advisory' AND objid = {LOCK} AND NOT granted AND application_name LIKE '{NAME}%'
"""
BLOCKED = f"""
    SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE locktype <> 'advisory' AND NOT granted AND application_name LIKE '{NAME}%'
"""
CONNECTED = f"""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE '{NAME}%'
"""


class Held:
    """The test's side of the lock."""

    def __init__(self, admin: psycopg.Connection) -> None:
        self._admin = admin

    def step_of(self, child: Child) -> str | None:
        """Wait until a child stands at a step and return it; None if it came to its end."""

        def found() -> bool:
            nonlocal step
            step = self._waiting()
            return bool(step) or not child.is_running()

        step = None
        until(found, within=30, what="the next step")
        return step

    def let_go(self, step: str) -> None:
        """Hold nobody at this step any more, and come back when the killed one's session is over."""
        self.pass_by(step)
        self._admin.execute(f"SELECT pg_advisory_unlock({LOCK})")
        until(lambda: self._count() == 0, within=10, what="the end of a killed process's session")
        self._admin.execute(f"SELECT pg_advisory_lock({LOCK})")

    def only_at(self, step: str) -> None:
        """Hold at this step alone: `> D events_event` is whatever deletes from that table."""
        self._admin.execute("INSERT INTO fault.only VALUES (%s)", [step])

    def open(self) -> None:
        """Hold nobody who stands at a step, until the lock is taken again."""
        self._admin.execute(f"SELECT pg_advisory_unlock({LOCK})")

    def wait_for_end_or_lock(self, child: Child) -> None:
        """Wait until a child has ended or waits for what somebody who is held has locked."""
        until(
            lambda: not child.is_running() or self._admin.execute(BLOCKED).fetchone(),
            within=30,
            what="the second one's end, or that it waits",
        )

    def pass_by(self, step: str) -> None:
        """Hold nobody at this step, or at `all`, who comes to it from now on."""
        self._admin.execute("INSERT INTO fault.passed VALUES (%s) ON CONFLICT DO NOTHING", [step])

    def forget(self) -> None:
        """Hold everybody at every step again."""
        self._admin.execute("DELETE FROM fault.passed")

    def _waiting(self) -> str | None:
        row = self._admin.execute(WAITING).fetchone()
        return row[0] if row else None

    def _count(self) -> int:
        row = self._admin.execute(CONNECTED).fetchone()
        assert row is not None
        return row[0]


@contextmanager
def holding(dsn: str) -> Iterator[Held]:
    """Hold whoever is started by `forks`, for as long as this lasts."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(INSTALL)
        try:
            admin.execute(f"SELECT pg_advisory_lock({LOCK})")
            yield Held(admin)
        finally:
            # Whoever is still held, because a test has failed, has locked the tables.
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = current_database() AND application_name LIKE '{NAME}%'"
            )
            admin.execute("DROP SCHEMA fault CASCADE")


def kill_at_every_step(
    held: Held,
    start: Callable[[], Child],
    *,
    between: Callable[[], None] = lambda: None,
    but_never: str = "never",
) -> list[str]:
    """Start it, kill it at the first step where nobody was killed yet, and so on until it ends.

    `between` is called after each kill, for what must hold even then.
    """
    steps: list[str] = []
    while (step := held.step_of(child := start())) is not None:
        child.kill()
        held.let_go(step)
        steps.append(step)
        between()
    assert child.came_to_its_end()
    return steps


# Statements on whole databases write to one catalogue. Whoever has locked it holds them.
AT_DATABASES = f"""
    SELECT pid, query FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE relation = 'pg_database'::regclass AND NOT granted AND application_name LIKE '{NAME}%'
"""
RESTORING = f"""
    SELECT pid, 'RESTORE ' || datname FROM pg_stat_activity
    WHERE application_name LIKE '{NAME}%' AND datname LIKE '%\\_scratch\\_%'
"""


def kill_at_every_statement_on_databases(
    dsn: str, start: Callable[[], Child], *, between: Callable[[], None]
) -> list[str]:
    """Do the same with a backup or a restore: at every database made, filled, renamed, dropped."""
    steps: list[str] = []
    with psycopg.connect(dsn) as holder, psycopg.connect(dsn, autocommit=True) as admin:
        while True:
            holder.execute("LOCK TABLE pg_database IN SHARE MODE")
            child = start()
            step = _next_of_databases(admin, holder, child, steps)
            if step is None:
                assert child.came_to_its_end()
                return steps
            child.kill()
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE application_name LIKE '{NAME}%'"
            )
            holder.rollback()
            steps.append(step)
            between()


def _next_of_databases(
    admin: psycopg.Connection, holder: psycopg.Connection, child: Child, passed: list[str]
) -> str | None:
    """Let it pass the steps of before; return the next one, at which it stands or is at work."""
    done = {step for step in passed if step.startswith("RESTORE")}

    def here() -> str | None:
        found = admin.execute(f"{AT_DATABASES} UNION ALL {RESTORING}").fetchall()
        return next((step for _, query in found if (step := _name(query)) not in done), None)

    while True:
        until(lambda: here() or not child.is_running(), within=30, what="the next step")
        step = here()
        if step is None or step not in passed:
            return step
        # Its turn comes when we let go, and ours again when it is done.
        holder.rollback()
        holder.execute("LOCK TABLE pg_database IN SHARE MODE")


def _name(query: str) -> str:
    """Call a statement by its verb and by which kind of database it is about."""
    kind = re.search(r"(_scratch_|_replaced_)\w+\"?(?: |$)", query)
    return f"{query.split(maxsplit=1)[0]}{kind[1] if kind else ''}"
