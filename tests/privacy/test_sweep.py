"""What deleted rows leave behind on disk and in the statistics is given back, where it can be."""

from pathlib import Path

import psycopg
import pytest
from django.db import connection, connections

from events.rollups.fold import fold
from llmcost import upkeep
from llmcost.models import DueWork
from llmcost.tenancy import roles
from tests import database
from tests.billing.conftest import logged_in_as
from tests.calls import CALL
from tests.conftest import open_company
from tests.marks import holds
from tests.privacy.test_erasure import ask, erasure, log, post  # noqa: F401 - fixture
from tests.privacy.test_purge import close, look

CANARY = "CANARY-on-disk-5t8w"


@pytest.fixture
def as_worker(django_db_setup, django_db_blocker):
    with logged_in_as(roles.WORKER, django_db_blocker):
        yield


@pytest.fixture
def firm(as_worker, committed, log):  # noqa: F811
    company = open_company("Firm", "owner@firm.example")
    calls = [{**CALL, "user_id": CANARY, "feature": CANARY, "latency_ms": 900}] * 200
    post(company.key, *calls)
    fold(company.account.pk)
    post(company.key, *calls)
    return company


def admin(name, sql, *params):
    with psycopg.connect(database.admin_dsn(name), autocommit=True) as link:
        done = link.execute(sql, params)
        return done.fetchall() if done.description else []


def files_with_it(name) -> set[str]:
    """The tables of calls and sums whose files hold the canary."""
    admin(name, "CHECKPOINT")
    return {
        table
        for table, path in admin(
            name,
            "SELECT relname, pg_relation_filepath(oid) FROM pg_class"
            " WHERE relname LIKE 'events_%%' AND relkind = 'r'",
        )
        if holds(Path(database.server().cluster) / path, CANARY)
    }


def statistics_with_it(name) -> set[str]:
    return {
        table
        for (table,) in admin(
            name, "SELECT tablename FROM pg_stats s WHERE s::text LIKE %s", f"%{CANARY}%"
        )
    }


def test_after_a_purge_neither_files_nor_statistics_hold_it(firm, database_name):
    connections.close_all()  # a connection tells what it has written when it ends, or later
    upkeep.ask(upkeep.AT_ONCE_FROM)
    assert upkeep.sweep_if_asked() > 0  # as any other day
    assert {"events_user_day", "events_quarter"} <= files_with_it(database_name)
    assert statistics_with_it(database_name)
    close(firm, days_ago=31)
    assert look() == 1
    connections.close_all()

    assert upkeep.sweep_if_asked() > 0

    assert files_with_it(database_name) == set()
    assert statistics_with_it(database_name) == set()
    assert upkeep.sweep_if_asked() == 0


def test_few_rows_wait_for_others_and_many_do_not(firm):
    assert erasure.carry_out(ask(firm, CANARY)) is True
    assert upkeep.sweep_if_asked() == 0
    assert DueWork.objects.filter(kind=upkeep.SWEEP).exists()

    upkeep.ask(upkeep.AT_ONCE_FROM)

    assert upkeep.sweep_if_asked() > 0
    assert not DueWork.objects.filter(kind=upkeep.SWEEP).exists()


def test_a_table_that_is_locked_is_left_to_autovacuum(firm, database_name, caplog):
    connections.close_all()
    with psycopg.connect(database.admin_dsn(database_name)) as link:
        link.execute("LOCK TABLE events_user_day IN ACCESS EXCLUSIVE MODE")
        upkeep.ask(upkeep.AT_ONCE_FROM)

        assert upkeep.sweep_if_asked() > 0

    assert [record.table for record in caplog.records if record.msg == "sweep_failed"] == [
        "events_user_day"
    ]


def test_where_it_may_not_or_cannot_it_does_nothing(firm, monkeypatch, django_db_blocker):
    upkeep.ask(upkeep.AT_ONCE_FROM)
    with monkeypatch.context() as older:
        older.setattr(connection, "pg_version", 16_00_09)
        assert upkeep.sweep_if_asked() == 0

    upkeep.ask(upkeep.AT_ONCE_FROM)
    with logged_in_as(roles.APP, django_db_blocker):
        assert upkeep.sweep_if_asked() == 0
    assert not DueWork.objects.filter(kind=upkeep.SWEEP).exists()
