"""The tests' database: migrated once as a template, copied for each worker, used as the app role."""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path

import psycopg

from llmcost.installation import open_installation
from llmcost.tenancy import roles
from llmcost.up.postgres import EmbeddedPostgres

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ["LLMCOST_DATA"])
TEMPLATE = "llmcost_template"
# Rows that migrations made; the application has no way to make them again.
MADE_BY_MIGRATIONS = (
    *("django_migrations", "django_content_type", "auth_permission"),
    *("auth_group", "billing_stripe_kept"),
)
LARGE = 2**20  # bytes of a table


@cache
def server() -> EmbeddedPostgres:
    """Return the tests' server; durability is as in production."""
    return EmbeddedPostgres(DATA)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one test process prepare while the others wait."""
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / "prepare.lock").open("w") as file:
        flock(file, LOCK_EX)
        yield


def make_template() -> None:
    """Have a migrated template database; made anew when a migration or a grant has changed."""
    admin = server().admin_dsn
    with one_at_a_time(), psycopg.connect(admin, autocommit=True) as connection:
        wanted = _state_of_migrations()
        row = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            [TEMPLATE],
        ).fetchone()
        if row == (wanted,):
            return
        connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        roles.bootstrap(admin, open_installation(DATA), TEMPLATE)
        migrate(TEMPLATE)
        connection.execute(f"COMMENT ON DATABASE {TEMPLATE} IS '{wanted}'")


def migrate(database: str) -> None:
    """Migrate a database as the owner, in a process of its own as `up` does."""
    env = {
        **os.environ,
        "LLMCOST_DATABASE_ROLE": "owner",
        "OWNER_DATABASE_URL": owner_dsn(database),
        "DJANGO_SETTINGS_MODULE": "llmcost.settings",
    }
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--skip-checks", "-v0"],
        check=True,
        cwd=REPOSITORY,
        env=env,
    )


def copy(name: str) -> None:
    """Make a database like the template."""
    with one_at_a_time(), psycopg.connect(server().admin_dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER llmcost_owner")


def empty(name: str) -> None:
    """Leave of a database what migrations have made, with its counters at the beginning.

    Deleted row by row without asking keys and triggers: TRUNCATE writes a new file for each of a
    hundred tables and takes ten times as long. What a test has made large is truncated after all,
    because deleted rows are read by whoever comes next.
    """
    with psycopg.connect(admin_dsn(name)) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        tables = connection.execute(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname = 'public' AND tablename <> ALL(%s)",
            [[*MADE_BY_MIGRATIONS]],
        ).fetchall()
        filled = connection.execute(
            " UNION ALL ".join(
                f"(SELECT '{table}', pg_relation_size('{table}') FROM {table} LIMIT 1)"
                for (table,) in tables
            )
        ).fetchall()
        for table, size in filled:
            connection.execute(
                f"TRUNCATE {table} CASCADE" if size > LARGE else f"DELETE FROM {table}"
            )
        connection.execute(
            "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) "
            "FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
        )


def drop(name: str) -> None:
    """Drop a test database."""
    with psycopg.connect(server().admin_dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def owner_dsn(database: str) -> str:
    """The owner's URL: what migrations connect with."""
    password = open_installation(DATA).owner_password
    return roles.login_url(_url(database), roles.OWNER, password)


def app_dsn(database: str) -> str:
    """The application's URL: what web and worker connect with."""
    return roles.login_url(_url(database), roles.APP, open_installation(DATA).app_password)


def worker_dsn(database: str) -> str:
    """The worker's URL: the application's rights, and dj-stripe's tables."""
    password = open_installation(DATA).worker_password
    return roles.login_url(_url(database), roles.WORKER, password)


def admin_dsn(database: str) -> str:
    """The superuser's URL; only to look at what no role of the product may see."""
    return _url(database)


def _url(database: str) -> str:
    return server().admin_dsn.replace("@/postgres?", f"@/{database}?")


def _state_of_migrations() -> str:
    files = [
        *REPOSITORY.glob("*/*migrations/*.py"),
        *(REPOSITORY / "llmcost/tenancy").glob("*.py"),
        REPOSITORY / "billing/sql/minimise_stripe.sql",
        REPOSITORY / "billing/stripe/allowed.py",
        REPOSITORY / "billing/stripe/backstop.py",
        Path(__file__),
    ]
    digest = hashlib.sha256((REPOSITORY / "requirements.txt").read_bytes())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()
