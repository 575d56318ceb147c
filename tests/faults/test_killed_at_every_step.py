"""Purge, erasure, export and restore: killed at every step, run twice, run by two at once.

The work is done by processes of its own and ended by SIGKILL (tests/faults/forks.py), each time
at a step at which nobody was killed yet (tests/faults/held.py). Whatever the next one finds, the
end is as if nothing had happened, and meanwhile nobody's sums are wrong.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from zipfile import ZipFile

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from django.test import Client

from accounts.models import Membership, User
from llmcost import clock
from llmcost.models import OutgoingMail
from llmcost.tenancy.context import signed_in, tenant
from llmcost.up import backups
from privacy import erasure, receipts, tombstones
from privacy.exports import services as exports
from privacy.models import Erasure, Export, Receipt
from privacy.plan import tables
from projects.models import Project, Scope
from projects.services import issue_key, open_project
from tests import database
from tests.calls import CALL
from tests.conftest import open_company
from tests.faults.full_account import MARK, fill
from tests.faults.held import (
    holding,
    kill_at_every_statement_on_databases,
    kill_at_every_step,
)
from tests.faults.scene import (
    assert_nothing_else_has_changed,
    assert_the_mark_is_only_the_neighbours,
    assert_tombstones_are_whole,
    let_leases_end,
    purging,
    rows_of,
    sums,
)
from tests.privacy.test_erasure import everything, post, usage
from tests.privacy.test_purge import close, look

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]


# --- Purge -----------------------------------------------------------------------------------
def test_a_purge_that_is_killed_at_every_step_ends_as_if_nothing_had_happened(scene, held, forks):
    start = purging(scene, forks)
    expected = rows_of(scene, scene.firm)
    kept = {table.name for table in tables() if table.is_kept}
    assert all(expected.values()), "a step for every table"

    steps = kill_at_every_step(held, start, between=lambda: assert_tombstones_are_whole(scene))

    for table in expected.keys() - kept:
        assert any(f"> D {table}"[:20] in step for step in steps), table
    assert start().came_to_its_end()  # once more finds nothing to do
    [receipt] = receipts.receipts_of(scene.firm.account.public_id)
    assert Receipt.objects.count() == 1
    assert json.loads(receipt.text)["rows"] == {
        **{table: number for table, number in expected.items() if table not in kept},
        "accounts_account": 1,
        "accounts_user": 1,
    }
    assert {name for name, number in rows_of(scene, scene.firm).items() if number} == kept
    assert tombstones.unapplied() == []
    assert_the_mark_is_only_the_neighbours(scene)
    assert_nothing_else_has_changed(scene)


# --- Erasures --------------------------------------------------------------------------------
def erase_user(scene, mode):
    with tenant(scene.firm.account.pk):
        return erasure.erase_user(
            scene.firm.project, MARK, mode=mode, refuse_later=True, by=scene.firm.owner
        )


def erase_span(scene):
    """The whole time in which there are marked calls; the mark then stands in no other."""
    with tenant(scene.firm.account.pk):
        return erasure.erase_span(
            scene.firm.project, datetime(2026, 1, 1, tzinfo=UTC), clock.now(), by=scene.firm.owner
        )


def erase_project(scene):
    """A second project, with a row in every table; its keys have stopped long enough ago."""
    with tenant(scene.firm.account.pk):
        second = open_project(scene.firm.account, name="second")
        _, key = issue_key(second, name="K", scopes=[Scope.INGEST], by=scene.firm.owner)
    post(key, {**CALL, "feature": MARK}, {**CALL, "user_id": MARK})
    fill(scene.dsn, SimpleNamespace(**{**vars(scene.firm), "project": second}), "project_id")
    return ask_for_project(scene, second)


def ask_for_project(scene, project):
    with tenant(scene.firm.account.pk):
        asked = erasure.erase_project(project, by=scene.firm.owner)
        Erasure.objects.filter(pk=asked.pk).update(
            requested_at=asked.requested_at - erasure.KEYS_STOP
        )
    return asked


ERASURES = {
    "delete": lambda scene: erase_user(scene, "delete"),
    "anonymise": lambda scene: erase_user(scene, "anonymise"),
    "span": erase_span,
    "project": erase_project,
}

# How many calls each of them takes.
CALLS = {"delete": 3, "anonymise": 3, "span": 6, "project": 2}


@pytest.mark.parametrize("kind", ERASURES)
def test_an_erasure_that_is_killed_at_every_step_ends_as_if_nothing_had_happened(
    kind, scene, held, forks
):
    others = sums(scene.firm, without=MARK)
    whole = usage(scene.firm.key, group_by="model")
    asked = ERASURES[kind](scene)

    def start():
        let_leases_end(scene)
        return forks.start("privacy.tasks.erase_due")

    def meanwhile():
        assert_tombstones_are_whole(scene)
        if kind != "span":
            now = sums(scene.firm, without=MARK)
            assert {key: now[key] for key in others} == others

    steps = kill_at_every_step(held, start, between=meanwhile)

    assert start().came_to_its_end()
    with tenant(scene.firm.account.pk):
        done = Erasure.objects.get(pk=asked.pk)
    assert (done.state, done.counts["events_event"]) == ("done", CALLS[kind])
    [receipt] = receipts.receipts_of(scene.firm.account.public_id)
    assert json.loads(receipt.text)["rows"] == done.counts
    assert {line.id for line in tombstones.lines()} == {str(asked.public_id)}
    assert_nothing_else_has_changed(scene)
    if kind == "anonymise":
        assert usage(scene.firm.key, group_by="model") == whole
    if kind == "project":
        for table in tables():
            if table.has_project and not table.is_kept and table.name != "privacy_erasure":
                assert any(f"> D {table.name}"[:20] in step for step in steps), table.name
    elif kind == "span":
        assert usage(scene.firm.key, group_by="user_id") == []
    else:
        kept = sums(scene.firm)
        assert {key: row for key, row in kept.items() if key in others} == others
        assert_the_mark_is_only_the_neighbours(scene)


# --- Exports ---------------------------------------------------------------------------------
SMALL = {"privacy.exports.services.PART": 2}


def asked_export(scene, forks):
    with tenant(scene.firm.account.pk):
        exports.ask(scene.firm.account.pk, by=scene.firm.owner)

    def start(**more):
        let_leases_end(scene)
        return forks.start("privacy.tasks.export_due", constants=SMALL, **more)

    return start


def assert_the_export_is_whole(scene) -> None:
    """It opens, every file is what the manifest says, every call is in it once; one mail tells."""
    with tenant(scene.firm.account.pk):
        export = Export.objects.get()
    assert (export.state, export.events_written) == ("ready", 6)
    with ZipFile(exports.path_of(export)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert {file["name"] for file in manifest["files"]} == {
            name for name in archive.namelist() if name != "manifest.json"
        }
        assert len(archive.namelist()) == len(set(archive.namelist()))
        for file in manifest["files"]:
            assert hashlib.sha256(archive.read(file["name"])).hexdigest() == file["sha256"]
        calls = [
            json.loads(line)["event_id"]
            for name in archive.namelist()
            if name.startswith("calls/") and name.endswith(".json")
            for line in archive.read(name).splitlines()
        ]
    assert len(calls) == len(set(calls)) == 6
    assert OutgoingMail.objects.filter(once=f"export:{export.public_id}").count() == 1
    assert [file.suffix for file in scene.exports.glob(f"{export.public_id.hex}*")] == [".zip"]


def test_an_export_that_is_killed_at_every_step_is_whole(scene, held, forks):
    start = asked_export(scene, forks)

    steps = kill_at_every_step(held, start)

    assert len(steps) >= 5
    assert start().came_to_its_end()
    assert_the_export_is_whole(scene)
    assert_nothing_else_has_changed(scene)


def test_an_export_that_is_killed_in_the_middle_of_writing_is_whole(scene, forks):
    start = asked_export(scene, forks)

    # Ended at ever greater lengths of its file, so in the middle of each of its parts.
    deaths = 0
    for length in count(300, 1_700):
        if start(file_bytes=length).came_to_its_end():
            break
        deaths += 1

    assert deaths > 10
    assert_the_export_is_whole(scene)


def test_shredding_that_is_killed_at_every_step_leaves_no_file(scene, held, forks):
    start = asked_export(scene, forks)
    held.pass_by("all")
    assert start().came_to_its_end()
    with tenant(scene.firm.account.pk):
        Export.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    held.forget()

    assert kill_at_every_step(held, start)

    assert list(scene.exports.glob("*")) == []
    with tenant(scene.firm.account.pk):
        assert Export.objects.get().state == "expired"


def test_an_import_that_is_killed_at_every_step_reads_everything_once(scene, held, forks):
    start = asked_export(scene, forks)
    held.pass_by("all")
    assert start().came_to_its_end()
    held.forget()
    [file] = scene.exports.glob("*.zip")
    owner = User.objects.create_user("new@owner.example", "correct horse battery", name="New")

    def read():
        return forks.start(
            "import_account", str(file), "--owner", owner.email,
            constants={"privacy.exports.reading.BATCH": 2},
        )  # fmt: skip

    assert kill_at_every_step(held, read)

    assert read().came_to_its_end()
    with signed_in(owner.pk):
        account_id = Membership.objects.get(user=owner).account_id
    with tenant(account_id):
        project = Project.objects.get(account_id=account_id)
        key = issue_key(project, name="R", scopes=[Scope.READ], by=None)[1]
    for report in ({}, {"group_by": "model,provider,feature,user_id,prompt_version"}):
        assert usage(key, **report) == usage(scene.firm.key, **report)
    assert_nothing_else_has_changed(scene)


# --- Tombstones, backups, restoring ----------------------------------------------------------
def test_a_tombstone_whose_writing_is_killed_is_written_whole_by_the_next_one(scene, forks):
    with tenant(scene.firm.account.pk):
        first = erasure.erase_user(scene.firm.project, "stays", by=scene.firm.owner)
    assert erasure.carry_out(first)
    second = erase_user(scene, "delete")
    let_leases_end(scene)

    assert not forks.run("privacy.tasks.erase_due", file_bytes=scene.log.stat().st_size + 30)

    assert scene.log.read_bytes()[-1:] != b"\n", "killed within the line"
    assert [line.id for line in tombstones.lines()] == [str(first.public_id)]
    with tenant(scene.firm.account.pk):
        assert Erasure.objects.get(pk=second.pk).counts == {}, "nothing goes before its tombstone"
    let_leases_end(scene)
    assert forks.run("privacy.tasks.erase_due")
    assert [line.id for line in tombstones.lines()] == [
        str(first.public_id), str(second.public_id),
    ]  # fmt: skip
    assert tombstones.unapplied() == []
    assert_nothing_else_has_changed(scene)


def databases_besides(scene) -> list[str]:
    with psycopg.connect(database.admin_dsn("postgres")) as admin:
        names = admin.execute("SELECT datname FROM pg_database").fetchall()
    return [name for (name,) in names if name.startswith(f"{scene.database}_")]


def test_a_backup_that_is_killed_at_every_step_leaves_no_copy_behind(scene, forks):
    for old in scene.backups.glob("*"):
        old.unlink()

    steps = kill_at_every_statement_on_databases(
        database.admin_dsn("postgres"), lambda: forks.start("backup"), between=lambda: None
    )

    assert steps == ["CREATE_scratch_", "RESTORE_scratch_", "DROP_scratch_"]
    assert databases_besides(scene) == []
    [made] = scene.backups.glob("*")
    assert backups.backups(scene.backups) == [made]


def test_restoring_that_is_killed_at_every_step_is_whole_and_forgets_again(scene, forks):
    gone = open_company(MARK, "owner@gone.example")
    post(gone.key, {**CALL, "user_id": MARK})
    with tenant(scene.firm.account.pk):
        second = open_project(scene.firm.account, name=f"{MARK} project")
        _, key = issue_key(second, name="K", scopes=[Scope.INGEST], by=scene.firm.owner)
    post(key, {**CALL, "feature": MARK})
    post(scene.neighbour.key, {**CALL, "user_id": "later"})
    scene.before = sums(scene.neighbour)
    call_command("backup")
    counts = {calls_in(scene)}
    assert erasure.carry_out(erase_user(scene, "anonymise"))
    assert erasure.carry_out(ask_for_project(scene, second))
    close(gone, days_ago=31)
    assert look() == 1
    counts.add(calls_in(scene))
    connections.close_all()
    [file] = backups.backups(scene.backups)[-1:]

    def is_whole():
        assert calls_in(scene) in counts

    steps = kill_at_every_statement_on_databases(
        database.admin_dsn("postgres"),
        lambda: forks.start("restore", str(file), "--yes"),
        between=is_whole,
    )

    assert set(steps) >= {
        "CREATE_scratch_", "RESTORE_scratch_", "ALTER_replaced_", "DROP_replaced_",
    }  # fmt: skip
    assert databases_besides(scene) == []
    checks = Client().get("/readyz").json()["checks"]
    assert checks["erasures"] == "restored: run manage.py after_restore"
    assert MARK in everything(scene.database)
    buried = len(list(tombstones.lines()))
    with holding(scene.dsn) as held:
        steps = kill_at_every_step(held, lambda: forks.start("after_restore"))
        assert len(steps) > 50
        assert forks.run("after_restore")
    assert not tombstones.is_behind()
    assert len(list(tombstones.lines())) == buried, "none is buried twice"
    assert_nothing_else_has_changed(scene)
    assert_the_mark_is_only_the_neighbours(scene)


def calls_in(scene) -> int:
    with psycopg.connect(scene.dsn) as admin:
        return admin.execute("SELECT count(*) FROM events_event").fetchone()[0]
