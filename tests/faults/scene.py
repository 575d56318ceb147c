"""Two companies whose data are deleted and taken along by processes that a test kills."""

import json
from collections.abc import Callable
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import sql

from events.rollups.fold import fold
from privacy import receipts
from privacy.plan import tables
from tests import database
from tests.calls import CALL
from tests.conftest import open_company
from tests.faults.forks import forking
from tests.faults.full_account import MARK, fill
from tests.faults.held import holding
from tests.faults.oracle import ROLLUPS, difference
from tests.privacy.test_erasure import by, everything, post, usage
from tests.privacy.test_purge import close

DIMENSIONS = ("model", "feature", "user_id")


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Where the product keeps its files, for the test and for the processes that it kills."""
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="session")
def forks(place, database_name):
    with forking(
        place / "words",
        LLMCOST_DATABASE_ROLE="worker",
        WORKER_DATABASE_URL=database.worker_dsn(database_name),
        CELERY_BROKER_URL="memory://",
        ERASURE_LOG=str(place / "erasures.jsonl"),
        EXPORT_DIR=str(place / "exports"),
        BACKUP_DIR=str(place / "backups"),
    ) as running:
        yield running


@pytest.fixture
def held(committed, database_name):
    with holding(database.admin_dsn(database_name)) as lock:
        yield lock


@pytest.fixture
def scene(committed, place, settings, forks, database_name):
    """Two companies with calls, folded and waiting; what one of them loses, the other does not."""
    settings.ERASURE_LOG = place / "erasures.jsonl"
    settings.EXPORT_DIR = place / "exports"
    settings.BACKUP_DIR = place / "backups"
    for left in (place / "erasures.jsonl", *settings.EXPORT_DIR.glob("*")):
        left.unlink(missing_ok=True)
    companies = [open_company(name, f"owner@{name}.example") for name in ("neighbour", "firm")]
    for company in companies:
        post(
            company.key,
            {**CALL, "user_id": MARK, "feature": "chat", "created_at": "2026-03-01T12:00:00Z"},
            *[{**CALL, "user_id": user, "feature": "chat"} for user in ("stays", MARK) * 2],
            {**CALL, "model": "nobody-knows-it", "latency_ms": 900},
        )
    neighbour, firm = companies
    return SimpleNamespace(
        firm=firm,
        neighbour=neighbour,
        dsn=database.admin_dsn(database_name),
        database=database_name,
        log=settings.ERASURE_LOG,
        exports=settings.EXPORT_DIR,
        backups=settings.BACKUP_DIR,
        before=sums(neighbour),
    )


def sums(company, without=None):
    """What the company's calls came to; whichever way they are grouped, it is the same."""
    [whole] = usage(company.key)
    for dimension in DIMENSIONS:
        groups = usage(company.key, group_by=dimension)
        assert sum(group["calls"] for group in groups) == whole["calls"], dimension
    return by(company.key, "user_id", "model", "feature", without=without)


def make_due(scene) -> None:
    """Whatever somebody has taken on is due again, as some minutes later."""
    with psycopg.connect(scene.dsn) as admin:
        admin.execute("UPDATE llmcost_duework SET due_at = now() - interval '1 second'")


def let_leases_end(scene) -> None:
    """The same after a kill; how often somebody was killed at it shall not end it here."""
    make_due(scene)
    with psycopg.connect(scene.dsn) as admin:
        admin.execute("UPDATE privacy_erasure SET attempts = 0")
        admin.execute("UPDATE privacy_export SET attempts = 0")


def rows_of(scene, company) -> dict[str, int]:
    """How many rows of a company each table holds."""
    with psycopg.connect(scene.dsn) as admin:
        held = {}
        for table in tables():
            counted = sql.SQL("SELECT count(*) FROM {} WHERE account_id = %s").format(
                sql.Identifier(table.name)
            )
            held[table.name] = admin.execute(counted, [company.account.pk]).fetchone()[0]
    return held


def assert_nothing_else_has_changed(scene) -> None:
    """The neighbour's answers are the same to the last digit, sums are the calls', no proof broken."""
    assert sums(scene.neighbour) == scene.before
    with psycopg.connect(scene.dsn) as admin:
        waiting = admin.execute("SELECT DISTINCT account_id FROM events_delta").fetchall()
    for (account_id,) in waiting:
        while fold(account_id):
            pass
    assert sums(scene.neighbour) == scene.before
    with psycopg.connect(scene.dsn) as admin:
        for table, (size, names) in ROLLUPS.items():
            found = admin.execute(difference(table, size, names)).fetchall()
            assert found == [], table
    assert receipts.broken_links() == []
    assert_tombstones_are_whole(scene)


def assert_tombstones_are_whole(scene) -> None:
    text = scene.log.read_text() if scene.log.exists() else ""
    assert all(json.loads(line)["id"] for line in text.splitlines())
    assert text.endswith("\n") or not text


def assert_the_mark_is_only_the_neighbours(scene) -> None:
    """The erased stand in no row of any table and in no file that the product keeps."""
    for row in map(json.loads, everything(scene.database).splitlines()):
        assert MARK not in json.dumps(row) or row["account_id"] == scene.neighbour.account.pk
    for file in (scene.log, *scene.exports.glob("*")):
        assert MARK not in file.read_bytes().decode(errors="replace")


def purging(scene, forks) -> Callable:
    """A closed account with a row in every table, whose day has come; and how it is purged."""
    close(scene.firm, days_ago=31)
    fill(scene.dsn, scene.firm)

    def start():
        make_due(scene)
        return forks.start("privacy.tasks.purge_due")

    return start
