"""An import that is killed has written nothing; repeated, it is whole."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import psycopg
import pytest
from django.test import override_settings

from tests import database
from tests.calls import CALL
from tests.conftest import open_company
from tests.privacy.elsewhere import export_of, installation, key_of, read, rows_of, somebody
from tests.privacy.test_erasure import post, usage
from tests.up.site import until

OWNER = "killed@owner.example"
SECONDS = 60
WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename = 'llmcost_app'
"""
OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'llmcost_app'
"""


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker, database_name, tmp_path_factory):
    """An export, what its reports say, and the installation that reads it in."""
    folder = tmp_path_factory.mktemp("killed")
    name = f"{database_name}_killed"
    with (
        installation(name, django_db_blocker) as there,
        override_settings(EXPORT_DIR=folder / "exports", ERASURE_LOG=folder / "erasures.jsonl"),
        there(),
    ):
        source = open_company("Firm", "owner@firm.example")
        post(source.key, *[{**CALL, "user_id": f"u{number}"} for number in range(500)])
        export = export_of(source.account, source.owner)
        somebody(OWNER)
        told = usage(source.key, group_by="user_id")
        yield SimpleNamespace(export=export, database=name, told=told)


def begin(scene):
    """Start the command as an operator does."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_account", str(scene.export), "--owner", OWNER],
        cwd=database.REPOSITORY,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "llmcost.settings",
            "APP_DATABASE_URL": database.app_dsn(scene.database),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# What it writes first, in the middle and last; a lock on it holds the command there.
PLACES = ["accounts_account", "events_event_timeless", "events_rate"]


@pytest.mark.faults
def test_a_killed_import_has_written_nothing_and_is_repeated(scene):
    for place in PLACES:
        before = rows_of(scene.database)
        kill_at(scene, place)
        assert rows_of(scene.database) == before, place

    # Only now, because what was read in once is not read in again.
    first, again = read(scene.export, OWNER), read(scene.export, OWNER)

    assert "500 calls read in" in first.said
    assert again.account == first.account
    assert usage(key_of(first.account), group_by="user_id") == scene.told


def kill_at(scene, place):
    with psycopg.connect(database.admin_dsn(scene.database)) as holder:
        holder.execute(f"LOCK TABLE {place} IN SHARE MODE")
        command = begin(scene)
        with psycopg.connect(database.admin_dsn(scene.database), autocommit=True) as link:
            until(
                lambda: link.execute(WAITING).fetchall(),
                within=SECONDS,
                what="a command that waits for our lock",
            )
            command.send_signal(signal.SIGKILL)
            command.communicate()
            holder.rollback()
            # The server notices that nobody listens when it answers.
            until(
                lambda: link.execute(OTHERS).fetchone()[0] <= 1,
                within=SECONDS,
                what="the end of a killed command's sessions",
            )
    assert command.returncode == -signal.SIGKILL
