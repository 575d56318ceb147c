"""Deletions that a customer asks for: all of it goes, nothing else, and every sum stays exact."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest
from django.db import connection, connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.erasure import Selection
from events.ingest import erased_users
from events.rollups.fold import fold
from llmcost import clock
from llmcost.tenancy.context import tenant
from privacy import erasure, promises, receipts, tombstones
from privacy.models import Erasure, Receipt, RefusedUser
from projects.models import ApiKey, Project, Scope
from projects.services import issue_key, open_project
from tests import database
from tests.calls import CALL, stored
from tests.conftest import open_company
from tests.strategies import calls
from tests.up.site import until

NUMBERS = count()
SUMS = ["calls", "input_tokens", "output_tokens", "cost_usd", "unpriced_calls", "error_calls"]


@pytest.fixture
def log(tmp_path, settings) -> Path:
    """The file of tombstones, apart from the database."""
    settings.ERASURE_LOG = tmp_path / "erasures.jsonl"
    return settings.ERASURE_LOG


@pytest.fixture
def firm(committed, log):
    return open_company("Firm", "owner@firm.example")


def post(key, *events):
    answer = Client().post(
        "/v1/events",
        json.dumps(list(events)),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 200, answer.content
    return answer.json()


def usage(key, **params):
    answer = Client().get(
        "/v1/usage",
        {"from": "2015-01-01", **params},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def by(key, *names, without=None):
    """What each group cost, without the rows of one end user."""
    rows = usage(key, group_by=",".join(names))
    return {
        tuple(row[name] for name in names): [row[one] for one in SUMS]
        for row in rows
        if without is None or row["user_id"] != without
    }


def everything(name: str) -> str:
    """All rows of all tables as one text, seen as nobody of the product can."""
    with psycopg.connect(database.admin_dsn(name)) as link:
        tables = link.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname IN ('public', 'pgmq')"
        ).fetchall()
        return "\n".join(
            str(row[0])
            for (table,) in tables
            for row in link.execute(f"SELECT to_jsonb(t)::text FROM {table} t")
        )


def ask(company, user_id, **more):
    with tenant(company.account.pk):
        return erasure.erase_user(company.project, user_id, by=company.owner, **more)


# --- End users -------------------------------------------------------------------------------
def test_an_end_user_is_gone_everywhere_and_the_others_are_untouched(firm, database_name):
    post(firm.key, *[{**CALL, "user_id": "CANARY-7", "feature": "chat"}] * 3)
    post(firm.key, {**CALL, "user_id": "other", "latency_ms": 900}, CALL)
    fold(firm.account.pk)
    post(firm.key, {**CALL, "user_id": "CANARY-7", "latency_ms": 1_200})
    before = by(firm.key, "user_id", "model", without="CANARY-7")

    asked = ask(firm, "CANARY-7")
    assert asked.expected == 4
    assert erasure.carry_out(asked) is True

    assert by(firm.key, "user_id", "model") == before
    assert "CANARY-7" not in everything(database_name)
    with tenant(firm.account.pk):
        done = Erasure.objects.get()
    assert (done.state, done.progress, done.counts) == ("done", 1.0, {"events_event": 4})
    assert (done.user_id, done.stand_in) == ("", "")


def test_an_anonymised_user_keeps_their_numbers_under_a_name_that_leads_nowhere(
    firm, database_name
):
    post(firm.key, *[{**CALL, "user_id": "CANARY-7", "latency_ms": 800}] * 3, CALL)
    total, before = usage(firm.key), by(firm.key, "user_id")["CANARY-7",]

    asked = ask(firm, "CANARY-7", mode="anonymise")
    assert erasure.carry_out(asked) is True

    now = by(firm.key, "user_id")
    [name] = [user for (user,) in now if user]
    assert name.startswith("anon_")
    assert now[name,] == before
    assert usage(firm.key) == total
    assert "CANARY-7" not in everything(database_name)
    with tenant(firm.account.pk):
        assert Erasure.objects.get().stand_in == ""  # what it became is not written down


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batches=st.lists(st.lists(calls(), min_size=1, max_size=10), min_size=1, max_size=4),
    folds=st.lists(st.integers(0, 6), min_size=4, max_size=4),
    user=st.sampled_from(["a", "b", "=x", '"']),
    mode=st.sampled_from(["delete", "anonymise"]),
)
def test_others_sums_do_not_change_by_a_digit(committed, log, batches, folds, user, mode):
    company = open_company("Random", f"erasure{next(NUMBERS)}@example.com")
    for batch, limit in zip(batches, folds, strict=False):
        post(company.key, *batch)
        if limit:
            fold(company.account.pk, limit)
    by_user = by(company.key, "user_id", "feature", "model", without=user)
    whole = usage(company.key, group_by="model")

    try:
        asked = ask(company, user, mode=mode)
    except erasure.NothingHeld:
        assert by_user == by(company.key, "user_id", "feature", "model")
        return
    assert erasure.carry_out(asked) is True

    now = by(company.key, "user_id", "feature", "model")
    kept = {key: row for key, row in now.items() if not (key[0] or "").startswith("anon_")}
    assert kept == by_user
    if mode == "anonymise":
        assert usage(company.key, group_by="model") == whole


def test_a_user_id_that_is_not_held_is_said_to_be_so(firm):
    post(firm.key, {**CALL, "user_id": "somebody"})

    with pytest.raises(erasure.NothingHeld):
        ask(firm, "nobody")


@pytest.mark.parametrize(
    "user_id", ["=HYPERLINK(1)", "x" * 200, "\u202egnp.exe", "a'; DROP TABLE x; --", "%", "ü"]
)
def test_any_user_id_that_was_taken_can_be_erased(firm, user_id):
    post(firm.key, {**CALL, "user_id": user_id}, {**CALL, "user_id": "other"})

    assert erasure.carry_out(ask(firm, user_id)) is True

    assert [row["user_id"] for row in usage(firm.key, group_by="user_id")] == ["other"]


def test_calls_that_come_while_it_runs_are_not_what_was_meant(firm):
    post(firm.key, {**CALL, "user_id": "u"})
    asked = ask(firm, "u")
    post(firm.key, {**CALL, "user_id": "u"})

    assert erasure.carry_out(asked) is True

    assert [row["calls"] for row in usage(firm.key, group_by="user_id")] == [1]


def test_asking_twice_is_asking_once_and_doing_it_twice_is_harmless(firm):
    post(firm.key, {**CALL, "user_id": "u"})
    first, second = ask(firm, "u"), ask(firm, "u")
    assert first.pk == second.pk

    assert [erasure.carry_out(first), erasure.carry_out(first)] == [True, False]

    assert Receipt.objects.count() == 1


def test_the_worker_finds_what_was_asked(firm):
    post(firm.key, {**CALL, "user_id": "u"})
    ask(firm, "u")

    assert erasure.erase_due() == 1
    assert erasure.erase_due() == 0


def test_what_is_asked_while_another_runs_is_done_next(firm, monkeypatch):
    """Or it would wait until the first one's lease has run out."""
    post(firm.key, {**CALL, "user_id": "first"}, {**CALL, "user_id": "second"})
    ask(firm, "first")
    whole = erasure._one_batch

    def meanwhile(asked, window):
        gone = whole(asked, window)
        ask(firm, "second")
        return gone

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "_one_batch", meanwhile)
        assert erasure.erase_due() == 1

    assert erasure.erase_due() == 1

    assert [row["calls"] for row in usage(firm.key)] == [0]


def test_what_is_given_up_is_reported_and_tried_again_a_day_later(firm, monkeypatch, time_machine):
    now = datetime.now(UTC)
    post(firm.key, {**CALL, "user_id": "u"})
    asked = ask(firm, "u")
    with monkeypatch.context() as patched:
        patched.setattr(erasure.erasure, "left", lambda _selection: {"events_event": 1})
        for attempt in range(erasure.MOST_ATTEMPTS + 2):  # the first one led somewhere
            time_machine.move_to(now + timedelta(seconds=10 * attempt + 10), tick=False)
            assert erasure.erase_due() == 0
    with tenant(firm.account.pk):
        assert Erasure.objects.get(pk=asked.pk).state == Erasure.State.FAILED
    assert not promises.erased().holds
    assert erasure.erase_due() == 0

    time_machine.move_to(now + timedelta(days=1, hours=1), tick=False)

    assert erasure.erase_due() == 1
    assert promises.erased().holds


def test_an_erasure_that_dies_between_batches_goes_on_where_it_stopped(firm, monkeypatch):
    post(firm.key, *[{**CALL, "user_id": "u"}] * 7)
    asked = ask(firm, "u")
    monkeypatch.setattr("events.erasure.BATCH", 2)
    monkeypatch.setattr(erasure.erasure.erase_batch, "__defaults__", (2,))
    fold_really = erasure.erasure.settle

    def die(_selection, **_until):
        raise KeyboardInterrupt

    monkeypatch.setattr(erasure.erasure, "settle", die)
    with pytest.raises(KeyboardInterrupt):
        erasure.carry_out(asked)
    monkeypatch.setattr(erasure.erasure, "settle", fold_really)

    assert erasure.carry_out(asked) is True
    with tenant(firm.account.pk):
        assert Erasure.objects.get().counts == {"events_event": 7}


def test_later_calls_of_an_erased_user_are_refused_if_so_asked_and_only_they(firm):
    post(firm.key, {**CALL, "user_id": "CANARY"})
    assert erasure.carry_out(ask(firm, "CANARY", refuse_later=True)) is True
    erased_users.forget()  # as after some seconds

    answer = post(firm.key, {**CALL, "user_id": "other"}, {**CALL, "user_id": "CANARY"}, CALL)

    assert answer["accepted"] == 2
    assert answer["rejected"] == [
        {"index": 1, "code": "user_erased", "field": "user_id", "message": erased_users.MESSAGE}
    ]
    with tenant(firm.account.pk):
        assert "CANARY" not in RefusedUser.objects.get().user_ref


# --- Spans and projects ----------------------------------------------------------------------
def test_a_span_is_deleted_to_the_millisecond(firm):
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    moments = [noon + timedelta(minutes=10 * step) for step in range(6)]
    post(firm.key, *[{**CALL, "created_at": at.isoformat(), "user_id": "u"} for at in moments])
    fold(firm.account.pk)

    with tenant(firm.account.pk):
        asked = erasure.erase_span(firm.project, moments[1], moments[4], by=firm.owner)
    assert asked.expected == 3
    assert erasure.carry_out(asked) is True

    assert [at for (at,) in stored(firm, "created_at")] == [moments[0], *moments[4:]]
    assert [row["calls"] for row in usage(firm.key)] == [3]
    assert [row["calls"] for row in usage(firm.key, group_by="user_id")] == [3]


DAYS = datetime(2026, 3, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 4 * 24 * 12).map(lambda step: DAYS + timedelta(minutes=5 * step))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batches=st.lists(
        st.lists(st.tuples(calls(), MOMENTS), min_size=1, max_size=12), min_size=1, max_size=4
    ),
    folds=st.lists(st.integers(0, 8), min_size=4, max_size=4),
    span=st.tuples(MOMENTS, MOMENTS).filter(lambda ends: ends[0] != ends[1]).map(sorted),
    late=st.booleans(),
    dense=st.booleans(),
)
def test_what_is_outside_a_span_does_not_change_by_a_digit(
    committed, log, batches, folds, span, late, dense
):
    """Whole days go with their sums, days that are cut, too dense or still written call by call."""
    company = open_company("Random", f"span{next(NUMBERS)}@example.com")
    for batch, limit in zip(batches, folds, strict=False):
        post(company.key, *[{**call, "created_at": at.isoformat()} for call, at in batch])
        if limit:
            fold(company.account.pk, limit)
    start, end = span
    names = "model,feature,user_id"

    def outside():
        return [
            usage(
                company.key, group_by=names, **{"from": first.isoformat(), "to": last.isoformat()}
            )
            for first, last in ((DAYS, start), (end, DAYS + timedelta(days=9)))
            if first < last
        ]

    before = outside()
    with tenant(company.account.pk):
        asked = erasure.erase_span(company.project, start, end, by=company.owner)
    if late:
        post(company.key, {**CALL, "created_at": start.isoformat()})
    most = 1 if dense else 100_000
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("events.erasure.WHOLE_DAY", most)
        assert erasure.carry_out(asked) is True

    assert outside() == before
    inside = {"from": start.isoformat(), "to": end.isoformat()}
    assert sum(row["calls"] for row in usage(company.key, **inside)) == late
    held = [call for batch in batches for call, at in batch if not start <= at < end]
    assert sum(row["calls"] for row in usage(company.key)) == len(held) + late
    with tenant(company.account.pk), connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(calls), 0) FROM (SELECT calls FROM events_month"
            " WHERE account_id = %s UNION ALL SELECT calls FROM events_delta"
            " WHERE account_id = %s) AS counted",
            [company.account.pk] * 2,
        )
        assert cursor.fetchone() == (len(held) + late,)


def test_a_day_waits_for_who_erases_in_it_call_by_call(firm):
    post(firm.key, *[{**CALL, "created_at": "2026-03-01T12:00:00Z", "user_id": "u"}] * 3)
    fold(firm.account.pk)
    day = datetime(2026, 3, 1, tzinfo=UTC)
    everybody = Selection(
        account_id=firm.account.pk,
        project_id=firm.project.pk,
        received_until=clock.now(),
        start=day,
        end=day + timedelta(days=1),
    )
    begun, done = threading.Event(), []

    def erase_the_day():
        begun.set()
        with tenant(firm.account.pk):
            done.append(erasure.erasure.erase_batch(everybody))
        connections.close_all()

    other = threading.Thread(target=erase_the_day)
    with tenant(firm.account.pk):
        assert erasure.erasure.erase_batch(replace(everybody, user_id="u"), 2)[0] == 2
        other.start()
        begun.wait()
        dsn = database.admin_dsn(connection.settings_dict["NAME"])
        # A transaction would see the activity of its first look for ever.
        with psycopg.connect(dsn, autocommit=True) as link:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until(lambda: link.execute(waiting).fetchone()[0], within=10, what="a lock")
    other.join()

    assert done == [(1, None)]
    assert usage(firm.key, group_by="user_id") == []


def test_a_project_goes_with_its_keys_and_the_other_stays(firm, database_name):
    with tenant(firm.account.pk):
        second = open_project(firm.account, name="second-canary")
        _, key = issue_key(second, name="K", scopes=[Scope.INGEST, Scope.READ], by=firm.owner)
    post(key, {**CALL, "feature": "GONE-CANARY"})
    post(firm.key, CALL)

    with tenant(firm.account.pk):
        asked = erasure.erase_project(second, by=firm.owner)
    assert erasure.carry_out(asked) is False  # its keys may still be remembered for some seconds
    with tenant(firm.account.pk):
        Erasure.objects.update(requested_at=asked.requested_at - erasure.KEYS_STOP)
    assert erasure.carry_out(asked) is True

    assert "GONE-CANARY" not in everything(database_name)
    with tenant(firm.account.pk):
        assert list(Project.objects.values_list("pk", flat=True)) == [firm.project.pk]
        assert list(ApiKey.objects.values_list("pk", flat=True)) == [firm.key_row.pk]
        assert Erasure.objects.get().counts == {
            "events_event": 1, "projects_apikey": 1, "projects_project": 1,
        }  # fmt: skip
    assert [row["calls"] for row in usage(firm.key)] == [1]


def test_the_only_project_is_not_deleted(firm):
    with tenant(firm.account.pk), pytest.raises(erasure.LastProject):
        erasure.erase_project(firm.project, by=firm.owner)


# --- Receipts and tombstones -----------------------------------------------------------------
def test_receipts_are_signed_chained_and_name_nobody(firm):
    for user in ("CANARY-1", "CANARY-2"):
        post(firm.key, {**CALL, "user_id": user})
        erasure.carry_out(ask(firm, user))

    newest, oldest = receipts.receipts_of(firm.account.public_id)
    assert (oldest.number, newest.number) == (1, 2)
    body = json.loads(newest.text)
    assert body["previous_sha256"] == oldest.sha256
    assert body["rows"] == {"events_event": 1}
    for word in ("CANARY", "Firm", "owner@", str(firm.account.public_id)):
        assert word not in newest.text
    assert receipts.broken_links() == []


@pytest.mark.parametrize("change", ["text", "signature", "sha256"])
def test_a_receipt_that_was_changed_is_noticed(firm, change):
    post(firm.key, {**CALL, "user_id": "u"})
    erasure.carry_out(ask(firm, "u"))
    receipt = Receipt.objects.get()
    setattr(receipt, change, getattr(receipt, change).swapcase())
    receipt.save()

    assert set(receipts.broken_links()) == {1}


def test_a_receipt_that_was_dropped_is_noticed(firm):
    for user in ("u", "v"):
        post(firm.key, {**CALL, "user_id": user})
        erasure.carry_out(ask(firm, user))

    Receipt.objects.filter(number=2).delete()

    assert receipts.broken_links() == [2]


def test_what_was_erased_is_remembered_outside_the_database_without_being_named(firm, log):
    post(firm.key, {**CALL, "user_id": "CANARY-7"})
    asked = ask(firm, "CANARY-7")
    assert not log.exists()

    erasure.carry_out(asked)

    [line] = map(json.loads, log.read_text().splitlines())
    assert (line["scope"], line["id"]) == ("user", str(asked.public_id))
    assert "CANARY-7" not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert tombstones.unapplied() == []
