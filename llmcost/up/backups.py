"""Backups of the whole database: made, proved by restoring them elsewhere, dropped in time.

They are written by the server's administrator, because row security hides every account's rows
from the owner. What was erased after a backup comes back with it, so a restored installation is
not ready before `manage.py after_restore` (privacy/after_restore.py).
"""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from llmcost import clock
from llmcost.installation import open_installation
from llmcost.tenancy import roles
from llmcost.up.postgres import EmbeddedPostgres

NAME = "llmcost-%Y%m%dT%H%M%SZ.dump"
# What a copy of the database is called while it is made and while it is replaced.
SCRATCH, REPLACED = "_scratch_", "_replaced_"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


class BackupFailed(Exception):
    """Says in one sentence what went wrong; the database and older backups are as they were."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was proved: how large it is and how many rows came out of it again."""

    path: Path
    size_bytes: int
    rows: int


def make_backup(folder: Path) -> Backup:
    """Dump the database into `folder`, prove the dump by restoring it into a database of its own.

    Raises BackupFailed; a dump that could not be proved is not kept.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone() as server:
        for left in folder.glob("llmcost-*.tmp"):  # of one that was killed
            left.unlink()
        path = folder / clock.now().strftime(NAME)
        draft = path.with_suffix(".tmp")
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            # gzip: the wheel's PostgreSQL is built without zstd and lz4. What is unlogged (the
            # visitors of today) is to be forgotten, not kept.
            form = ("--format=custom", "--compress=gzip:6", "--no-unlogged-table-data")
            _run("pg_dump", *form, f"--file={draft}", _dsn(_database()))
            with _scratch(server) as scratch:
                _restore_into(draft, scratch)
                rows = _count(scratch)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)
    return Backup(path, path.stat().st_size, rows)


def drop_old(folder: Path, days: int) -> list[Path]:
    """Delete the backups that are older than the policy allows; return them."""
    oldest = clock.now() - timedelta(days=days)
    old = [path for path in backups(folder) if made_at(path) < oldest]
    for path in old:
        path.unlink()
    return old


def backups(folder: Path) -> list[Path]:
    """Return the backups of a folder, oldest first."""
    return sorted(folder.glob("llmcost-*.dump"))


def made_at(path: Path) -> datetime:
    """Return when a backup was made, by its name."""
    return datetime.strptime(path.name, NAME).replace(tzinfo=UTC)


def restore_backup(path: Path) -> int:
    """Put a backup in the place of the database, whole or not at all; return its rows.

    The dump is restored beside it first; then the two change names, and what was there before
    is dropped. Whoever is connected is disconnected. Raises BackupFailed.
    """
    if not path.is_file():
        raise BackupFailed(f"{path} is not there.")
    database = _database()
    with _alone() as server, _scratch(server) as scratch:
        _restore_into(path, scratch)
        rows = _count(scratch)
        replaced = f"{database}{REPLACED}{secrets.token_hex(4)}"
        for name in (database, scratch):
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [name],
            )
        with server.transaction():
            server.execute(_rename(database, replaced))
            server.execute(_rename(scratch, database))
        _drop(server, replaced)
    roles.bootstrap(
        _admin_url(),
        open_installation(settings.DATA_DIR),
        database,
        with_broker=not settings.CELERY_BROKER_URL,
    )
    return rows


def _rename(name: str, to: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
        sql.Identifier(name), sql.Identifier(to)
    )


def _restore_into(path: Path, database: str) -> None:
    # One transaction: nothing half done, and one wait for the disk instead of one a statement.
    _run("pg_restore", "--single-transaction", f"--dbname={_dsn(database)}", str(path))


def _count(database: str) -> int:
    with psycopg.connect(_dsn(database)) as connection:
        tables = connection.execute(_TABLES).fetchall()
        if not tables:
            raise BackupFailed("The backup holds no table.")
        counts = [
            connection.execute(
                sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier("public", table))
            ).fetchone()
            for (table,) in tables
        ]
    return sum(row[0] for row in counts if row)


@contextmanager
def _alone() -> Iterator[psycopg.Connection]:
    """The administrator's connection, with which one backup or restore runs at a time.

    One that was killed has left a copy of everything, also of what is erased: it goes first.
    """
    database = _database()
    with psycopg.connect(_dsn("postgres"), autocommit=True) as server:
        if server.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [database]).fetchone() != (
            True,
        ):
            raise BackupFailed("Another backup or restore is running.")
        names = server.execute("SELECT datname FROM pg_database").fetchall()
        for (name,) in names:
            if name.startswith((f"{database}{SCRATCH}", f"{database}{REPLACED}")):
                _drop(server, name)
        yield server


@contextmanager
def _scratch(server: psycopg.Connection) -> Iterator[str]:
    """An empty database of our own, gone afterwards unless it was renamed."""
    name = f"{_database()}{SCRATCH}{secrets.token_hex(4)}"
    server.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
            sql.Identifier(name), sql.Identifier(roles.OWNER)
        )
    )
    try:
        yield name
    finally:
        _drop(server, name)


def _drop(server: psycopg.Connection, name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _database() -> str:
    return settings.DATABASES["default"]["NAME"]


def _dsn(database: str) -> str:
    return make_conninfo(_admin_url(), dbname=unquote(database))


def _admin_url() -> str:
    return settings.DATABASE_ADMIN_URL or EmbeddedPostgres(settings.DATA_DIR).admin_dsn


def _run(program: str, *arguments: str) -> None:
    """Run one of the server's own programs. Raises BackupFailed with its last words."""
    path = EmbeddedPostgres(settings.DATA_DIR).program(program)
    done = subprocess.run(
        [path, "--no-password", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = " ".join(done.stderr.split())[-500:]
        raise BackupFailed(f"{program} failed: {words}")
