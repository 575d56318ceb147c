"""The database's roles: who may do what before any policy is asked.

`llmcost_owner` owns the tables and migrates. `llmcost_app` (web) owns nothing and is bound by row
security; it may become `llmcost_staff` for one transaction but inherits nothing from it.
`llmcost_worker` may do what the app may, bound in the same way, and besides that write the tables
in which dj-stripe mirrors Stripe's objects: no web request can reach those. `llmcost_broker` owns
the schema `pgmq` and sees nothing else. The administrative login that makes them is used for
nothing besides.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from llmcost.up import CannotStart

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

    from llmcost.installation import Installation

OWNER, APP, WORKER = "llmcost_owner", "llmcost_app", "llmcost_worker"
STAFF, BROKER = "llmcost_staff", "llmcost_broker"
DATABASE = "llmcost"
# Below it a view cannot run with its caller's rights (security_invoker).
MINIMUM_VERSION = 15_00_00
# From it on a table may be vacuumed by who does not own it.
MAINTAIN_FROM = 17_00_00
CONNECT_SECONDS = 10
# A web request must not hold the database; a task has as long as `llmcost.celery` gives it.
APP_SETTINGS = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
}
WORKER_SETTINGS = {
    "statement_timeout": "4min",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "4min",
}
# Supabase's roles for its public REST API; elsewhere they do not exist.
PUBLIC_API_ROLES = ("anon", "authenticated")
# Any constant: it keeps two bootstraps of one server apart.
BOOTSTRAP_LOCK = 5_265_117


def login_url(admin_url: str, role: str, password: str, database: str | None = None) -> str:
    """Return the URL with which `role` logs in to the server of `admin_url`.

    To the database that it names, if no other is given.
    """
    parts = urlsplit(admin_url)
    _, _, place = parts.netloc.rpartition("@")
    # Supabase's pooler is told the project by a suffix of the user's name.
    _, dot, project = (parts.username or "").partition(".")
    suffix = dot + project if (parts.hostname or "").endswith(".pooler.supabase.com") else ""
    login = f"{quote(role + suffix, safe='')}:{quote(password, safe='')}"
    path = f"/{quote(database, safe='') if database else database_of(admin_url)}"
    return urlunsplit(parts._replace(scheme="postgresql", netloc=f"{login}@{place}", path=path))


def database_of(admin_url: str) -> str:
    """Return the database that a URL names, or ours when it names none."""
    return urlsplit(admin_url).path.lstrip("/") or DATABASE


def bootstrap(
    admin_dsn: str,
    installation: Installation,
    database: str = DATABASE,
    *,
    with_broker: bool = True,
) -> None:
    """Make roles, database and broker schema, or put right what differs. Safe to repeat.

    Passwords are set each time, so that a changed secrets file heals. Raises CannotStart when
    the server is too old, cannot be reached, or the login may not do this.
    """
    import psycopg  # noqa: PLC0415 - settings import this module; they need no driver for it

    try:
        with connect(admin_dsn) as connection:
            check_version(connection)
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [BOOTSTRAP_LOCK])
                _make_roles(connection, cursor, installation)
            _make_database(connection, database)
        with connect(admin_dsn, database) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [BOOTSTRAP_LOCK])
            _hand_over_schema(cursor, database)
            if with_broker:
                _install_broker(cursor, database)
    except psycopg.errors.InsufficientPrivilege as error:
        raise CannotStart(
            "The login of DATABASE_URL must be allowed to create roles and to own the database"
            f" {database} ({error.diag.message_primary}): use an administrative login."
        ) from error


def connect(dsn: str, database: str | None = None) -> Connection:
    """Connect, or say in one sentence why that failed. Raises CannotStart."""
    import psycopg  # noqa: PLC0415 - see bootstrap
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    wanted = database or database_of(dsn)
    for name in dict.fromkeys((wanted, "postgres")):
        try:
            return psycopg.connect(
                make_conninfo(dsn, dbname=unquote(name), connect_timeout=CONNECT_SECONDS),
                prepare_threshold=None,  # a transaction-mode pooler keeps no prepared statement
            )
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            # "connection failed: connection to server at … failed: Connection refused\n\tIs the …"
            reason = str(error).strip().split("\n")[0].split("failed: ")[-1] or "no answer"
            if database is None and f'"{wanted}" does not exist' in reason:
                continue  # a database that is still to be made
            parts = urlsplit(dsn)
            place = f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
            raise CannotStart(
                f"The PostgreSQL server of DATABASE_URL ({place}) does not let us in ({reason}):"
                " check that it runs and that host, port, user and password are right."
            ) from error
    raise AssertionError("the database `postgres` was the last try")


def check_version(connection: Connection) -> None:
    """Raise CannotStart for a server older than the oldest we support."""
    found = connection.info.server_version
    if found < MINIMUM_VERSION:
        raise CannotStart(
            f"PostgreSQL {MINIMUM_VERSION // 10_000} or newer is needed, but the server of"
            f" DATABASE_URL is version {found // 10_000}: upgrade it or use another server."
        )


def _make_roles(connection: Connection, cursor: Cursor, installation: Installation) -> None:
    logins = {
        OWNER: installation.owner_password,
        APP: installation.app_password,
        WORKER: installation.worker_password,
        BROKER: installation.broker_password,
    }
    for role in (*logins, STAFF):
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            # Whatever is dangerous (SUPERUSER, BYPASSRLS, CREATEROLE) is off unless asked for.
            cursor.execute(f"CREATE ROLE {role} NOLOGIN")
    for role, password in logins.items():
        # Only the verifier travels: a server that logs its DDL never sees the password.
        verifier = connection.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        ).decode()
        # The owner inherits what the database's owner may do in its schema, the worker what the
        # app may do; the app nothing of the staff's.
        inherits = "INHERIT" if role in (OWNER, WORKER) else "NOINHERIT"
        cursor.execute(f"ALTER ROLE {role} LOGIN {inherits} PASSWORD '{verifier}'")
    for role, settings in ((APP, APP_SETTINGS), (WORKER, WORKER_SETTINGS)):
        for name, value in settings.items():
            cursor.execute(f"ALTER ROLE {role} SET {name} = '{value}'")
    _refuse_dangerous_roles(cursor)
    precise = connection.info.server_version >= 16_00_00  # before, the roles' own attributes decide
    becomes = " WITH INHERIT FALSE, SET TRUE" if precise else ""
    inherits = " WITH INHERIT TRUE, SET FALSE" if precise else ""
    cursor.execute(f"GRANT {STAFF} TO {APP}{becomes}")
    cursor.execute(f"GRANT {APP} TO {WORKER}{inherits}")
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if cursor.fetchone() == (False,):
        # A managed server's administrator must be a member to hand something over.
        cursor.execute(f"GRANT {OWNER}, {BROKER} TO CURRENT_USER")


def _refuse_dangerous_roles(cursor: Cursor) -> None:
    """Refuse roles that somebody gave a way around row security; only they can take it back."""
    cursor.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"
        " AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication"
        " OR rolname = ANY(%s) AND pg_has_role(rolname, %s, 'member')"
        " OR rolname = %s AND pg_has_role(rolname, %s, 'member'))",
        [[APP, WORKER, STAFF, BROKER], [APP, WORKER], OWNER, APP, WORKER],
    )
    if names := [name for (name,) in cursor.fetchall()]:
        raise CannotStart(
            f"The database role {', '.join(names)} can get around row security: ALTER ROLE … "
            "NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION and REVOKE its memberships."
        )


def _make_database(connection: Connection, database: str) -> None:
    from psycopg import errors, sql  # noqa: PLC0415 - see bootstrap

    connection.commit()
    connection.autocommit = True
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
    if known.fetchone() is None:
        with suppress(errors.DuplicateDatabase):  # another process was first
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(database), sql.Identifier(OWNER)
                )
            )


def _hand_over_schema(cursor: Cursor, database: str) -> None:
    from psycopg import sql  # noqa: PLC0415 - see bootstrap

    cursor.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
            sql.Identifier(database), sql.Identifier(OWNER)
        )
    )
    cursor.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
    cursor.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    cursor.execute(f"GRANT USAGE ON SCHEMA public TO {APP}, {WORKER}, {STAFF}")
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[*PUBLIC_API_ROLES]])
    for (role,) in cursor.fetchall():
        cursor.execute(f"REVOKE ALL ON SCHEMA public FROM {role}")
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
            cursor.execute(f"REVOKE ALL ON ALL {kind} IN SCHEMA public FROM {role}")
            cursor.execute(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public"
                f" REVOKE ALL ON {kind} FROM {role}"
            )


def _install_broker(cursor: Cursor, database: str) -> None:
    """Install pgmq's schema as the broker role, which thereby owns it and may make queues."""
    from pgmq.install import get_embedded_install_sql  # noqa: PLC0415 - slow; see bootstrap
    from psycopg import sql  # noqa: PLC0415

    cursor.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'pgmq'")
    row = cursor.fetchone()
    if row is not None:
        if row[0] != BROKER:
            raise CannotStart(
                "The database has a schema pgmq that belongs to somebody else: set"
                " CELERY_BROKER_URL to the broker that background work shall use."
            )
        return
    name = sql.Identifier(database)
    # pgmq's script says CREATE SCHEMA IF NOT EXISTS, which needs the right even if it does exist.
    cursor.execute(
        sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(name, sql.Identifier(BROKER))
    )
    cursor.execute(f"CREATE SCHEMA pgmq AUTHORIZATION {BROKER}")
    cursor.execute(f"SET LOCAL ROLE {BROKER}")
    cursor.execute(get_embedded_install_sql())
    cursor.execute("RESET ROLE")
    cursor.execute(
        sql.SQL("REVOKE CREATE ON DATABASE {} FROM {}").format(name, sql.Identifier(BROKER))
    )
