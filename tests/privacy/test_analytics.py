"""Page views are counted, and nobody is: no address, no browser, no cookie, no yesterday."""

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.db import connection
from django.test import Client

from llmcost import clock
from privacy import tasks
from privacy.analytics import counter
from privacy.models import DailySalt, UseCount, VisitorCount, VisitorMark
from tests import database

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
TODAY = date(2026, 12, 1)
CANARY_IP, CANARY_BROWSER = "203.0.113.77", "CANARY-BROWSER/1.0"


@pytest.fixture(autouse=True)
def _noon(time_machine):
    time_machine.move_to(NOON, tick=False)


def visitor(address="198.51.100.1", browser="Firefox", **headers):
    return Client(REMOTE_ADDR=address, headers={"User-Agent": browser, **headers})


def counted():
    counter.write_down()
    return {(one.kind, one.name): one.times for one in UseCount.objects.filter(day=TODAY)}


def marks():
    return set(VisitorMark.objects.values_list("mark", flat=True))


def test_views_and_uses_are_counted_by_route(db, acme):
    counter.write_down()
    for _ in range(3):
        visitor().get("/privacy/")
    visitor().get("/privacy/history/2026-11-24/")
    visitor().get("/nowhere/")
    acme.client.get("/app/prod/keys/")
    acme.client.post("/app/prod/keys/", {"name": "CI", "kind": "live", "scopes": ["read"]})
    acme.client.post("/app/prod/keys/", {"name": ""})

    found = counted()

    assert found == {
        ("view", "privacy:policy"): 3,
        ("view", "privacy:policy_version"): 1,
        ("view", "projects:keys"): 1,
        ("use", "projects:keys"): 1,
    }
    assert counted() == found  # writing down twice counts once


def test_visitors_are_told_apart_and_counted_once(db):
    counter.write_down()
    for address, browser in [("198.51.100.1", "A"), ("198.51.100.1", "A"), ("198.51.100.1", "B"),
                             ("198.51.100.2", "A")]:  # fmt: skip
        visitor(address, browser).get("/privacy/")
    counted()

    assert len(marks()) == 3


@pytest.mark.parametrize("header", ["DNT", "Sec-GPC"])
def test_who_asks_not_to_be_counted_is_not(db, header):
    visitor(**{header: "1"}).get("/privacy/")

    assert counted() == {}
    assert marks() == set()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/schema/", "/dev/components/"])
def test_what_is_no_use_of_the_product_is_not_counted(db, path):
    visitor().get(path, HTTP_HOST="127.0.0.1")

    assert counted() == {}


def test_ingest_is_not_counted_and_pages_refreshing_themselves_neither(db, acme, api):
    api(acme.key, "POST", "/v1/events", {"model": "m", "input_tokens": 1, "output_tokens": 1})
    acme.client.get("/app/", headers={"HX-Request": "true"})

    assert counted() == {}


def test_counting_asks_the_database_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        counter.count("view", "x", address="198.51.100.1", browser="A")


def test_yesterdays_mark_cannot_be_made_again(db, time_machine):
    counter.write_down()
    visitor().get("/privacy/")
    counter.write_down()
    yesterdays, [secret] = marks(), DailySalt.objects.all()

    time_machine.shift(timedelta(days=1))
    tasks.forget_visitors()
    counter.write_down()
    visitor().get("/privacy/")
    counter.write_down()

    assert not DailySalt.objects.filter(salt=secret.salt).exists()
    assert DailySalt.objects.get().day == clock.now().date()
    assert marks().isdisjoint(yesterdays)
    assert len(marks()) == 1
    assert VisitorCount.objects.get(day=TODAY).visitors == 1


def test_a_process_that_has_not_heard_of_the_new_day_makes_no_mark_with_the_old_secret(
    db, time_machine
):
    counter.write_down()
    time_machine.shift(timedelta(days=1))

    visitor().get("/privacy/")

    assert counter._marks == set()


def test_the_secret_and_the_marks_are_in_no_log_of_the_database(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace ORDER BY 1"
        )
        assert [name for (name,) in cursor.fetchall()] == [
            "privacy_dailysalt", "privacy_visitormark",
        ]  # fmt: skip


def test_no_address_and_no_browser_stands_anywhere(committed, database_name, log_lines):
    counter.write_down()
    canary = visitor(CANARY_IP, CANARY_BROWSER)
    for path in ("/", "/privacy/", "/signup/", "/login/", "/contact/", "/nowhere/"):
        canary.get(path)
    canary.post("/login/", {"login": "a@b.example", "password": "wrong"})
    canary.post("/contact/", {"name": "x"})
    counter.write_down()

    with psycopg.connect(database.admin_dsn(database_name)) as admin:
        tables = admin.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname IN ('public', 'pgmq')"
        ).fetchall()
        stored = "".join(
            admin.execute(
                f"SELECT coalesce(string_agg(t::text, ''), '') FROM {table} t"
            ).fetchone()[0]
            for (table,) in tables
        )

    for canary_text in (CANARY_IP, CANARY_BROWSER):
        assert canary_text not in stored
        assert canary_text not in log_lines()
    assert "privacy:policy" in stored  # it was looked at the right place
