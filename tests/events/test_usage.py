"""GET /v1/usage equals the raw events at every instant, whatever is folded and however asked."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from math import ceil
from zoneinfo import ZoneInfo

import psycopg
import pytest
import time_machine
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.reports.latency import MAX_RELATIVE_ERROR
from events.rollups.fold import fold, fold_due_accounts
from llmcost import clock
from llmcost.tenancy.context import tenant
from tests import database
from tests.calls import CALL
from tests.conftest import open_company
from tests.strategies import MOMENTS, START, ZONES, calls

SUMMED = ["input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens"]
NUMBERS = count()
DIMENSIONS = ["model", "feature", "user_id", "prompt_version", "provider"]
PROVIDERS = {"gpt-5-mini": "openai", "claude-sonnet-4-5": "anthropic", "acme-ft-7b": None}

steps = st.lists(
    st.one_of(
        st.lists(calls(), min_size=1, max_size=12).map(lambda batch: ("post", batch)),
        st.just(("repeat", None)),
        st.integers(1, 8).map(lambda limit: ("fold", limit)),
        st.just(("fold", 10_000)),
    ),
    min_size=1,
    max_size=8,
)
questions = st.fixed_dictionaries(
    {
        "group_by": st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=3),
        "interval": st.sampled_from([None, "hour", "day", "week", "month"]),
        "tz": ZONES,
        "start": st.one_of(st.none(), MOMENTS),
        "hours": st.integers(1, 24 * 20),
        "filter": st.one_of(
            st.none(),
            st.sampled_from(
                [("user_id", "a"), ("user_id", ""), ("feature", "b"), ("model", "gpt-5-mini")]
            ),
        ),
    }
)


def bucket_start(at, interval, zone):
    """The beginning of an interval, by the calendar of a zone, in plain Python."""
    local = at.astimezone(zone)
    if interval == "hour":
        offset = local.utcoffset()
        floored = (at + offset).replace(minute=0, second=0, microsecond=0)
        return floored - offset
    day = local.date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    if interval == "month":
        day = day.replace(day=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def expected(events, prices, question):
    """A plain sum over the events: group -> counter."""
    zone = ZoneInfo(question["tz"])
    start = question["start"] or START - timedelta(days=2)
    end = start + timedelta(hours=question["hours"])
    rows = defaultdict(Counter)
    latencies = defaultdict(list)
    for event in events.values():
        at = datetime.fromisoformat(event["created_at"])
        names = {
            name: PROVIDERS[event["model"]] if name == "provider" else event[name]
            for name in DIMENSIONS
        }
        if question["filter"] and (names[question["filter"][0]] or "") != question["filter"][1]:
            continue
        if not start <= at < end:
            continue
        bucket = bucket_start(at, question["interval"], zone) if question["interval"] else None
        group = (bucket, *(names[name] for name in question["group_by"]))
        row = rows[group]
        row["calls"] += 1
        for name in SUMMED:
            row[name] += event[name]
        cost = prices[event["event_id"]]
        row["cost_usd"] += cost or Decimal(0)
        row["unpriced_calls"] += cost is None
        row["error_calls"] += event["status"] == "error"
        if event["latency_ms"] is not None:
            latencies[group].append(event["latency_ms"])
    return rows, latencies


def ask(client, key, question):
    """The API's answer in the same form."""
    start = question["start"] or START - timedelta(days=2)
    params = {
        "from": start.isoformat(),
        "to": (start + timedelta(hours=question["hours"])).isoformat(),
        "tz": question["tz"],
    }
    if question["interval"]:
        params["interval"] = question["interval"]
    if question["group_by"]:
        params["group_by"] = ",".join(question["group_by"])
    if question["filter"]:
        params[f"filter.{question['filter'][0]}"] = question["filter"][1]
    answer = client.get("/v1/usage", params, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.content
    rows, percentiles = {}, {}
    for row in json.loads(answer.content)["data"]:
        bucket = datetime.fromisoformat(row["start"]).astimezone(UTC) if row["start"] else None
        group = (bucket, *(row[name] for name in question["group_by"]))
        assert group not in rows
        rows[group] = Counter(
            {name: row[name] for name in (*SUMMED, "calls", "unpriced_calls", "error_calls")}
        )
        rows[group]["cost_usd"] = Decimal(row["cost_usd"])
        percentiles[group] = [row[f"latency_p{p}_ms"] for p in (50, 95, 99)]
    if not question["group_by"] and not question["interval"] and rows[(None,)]["calls"] == 0:
        rows = {}  # without groups there is always one row
    return rows, percentiles


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps, asked=st.lists(questions, min_size=2, max_size=5))
def test_sums_equal_the_raw_events_at_every_instant(db, steps, asked):
    company = open_company("Random", f"random{next(NUMBERS)}@example.com")
    client, sent, last = Client(), {}, None
    for step, argument in steps:
        if step == "fold":
            fold(company.account.pk, argument)
        batch = argument if step == "post" else last if step == "repeat" else None
        if batch:
            answer = client.post(
                "/v1/events",
                json.dumps(batch),
                content_type="application/json",
                headers={"Authorization": f"Bearer {company.key}"},
            ).json()
            assert answer["rejected"] == []
            new = {
                event["event_id"]: event
                for event in reversed(batch)
                if event["event_id"] not in sent
            }
            assert answer["accepted"] == len(new)
            sent |= new
            last = batch
        prices = stored_prices(company)
        assert prices.keys() == sent.keys()
        for question in asked:
            rows, latencies = expected(sent, prices, question)
            found, percentiles = ask(client, company.key, question)
            assert found == dict(rows)
            for group, values in latencies.items():
                for share, said in zip((0.5, 0.95, 0.99), percentiles[group], strict=True):
                    true = sorted(values)[ceil(Decimal(str(share)) * len(values)) - 1]
                    assert abs(said - true) <= true * MAX_RELATIVE_ERROR * (1 + 1e-6) + 0.05


def stored_prices(company):
    """What each event costs, from the events themselves."""
    with tenant(company.account.pk), connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id::text, cost_usd FROM events_event WHERE account_id = %s",
            [company.account.pk],
        )
        return dict(cursor.fetchall())


def test_folding_is_found_and_done_by_the_scheduled_task(acme, globex, api):
    for company in (acme, globex):
        api(company.key, "POST", "/v1/events", [CALL] * 3)

    assert fold_due_accounts() == 6

    for company in (acme, globex):
        with tenant(company.account.pk), connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT count(*) FROM events_delta), (SELECT sum(calls) FROM events_quarter), (SELECT sum(calls) FROM events_user_day)"
            )
            assert cursor.fetchone() == (0, 3, 3)
    assert fold_due_accounts() == 0


def test_a_fold_takes_about_as_many_calls_as_it_may_and_at_least_one_delta(acme, api):
    for _ in range(3):
        api(acme.key, "POST", "/v1/events", [CALL] * 5)

    assert [fold(acme.account.pk, limit) for limit in (1, 6, 6)] == [5, 10, 0]


def test_an_account_with_more_than_one_turn_of_work_is_due_again_at_once(acme, api):
    for _ in range(3):
        api(acme.key, "POST", "/v1/events", [CALL] * 5)

    assert [fold_due_accounts(limit=5) for _ in range(4)] == [5, 5, 5, 0]


def test_an_account_that_somebody_else_folds_is_looked_at_again_soon(committed, api, database_name):
    acme = open_company("Acme", "alice@acme.example")
    api(acme.key, "POST", "/v1/events", [CALL] * 3)
    with psycopg.connect(database.app_dsn(database_name)) as somebody_else:
        somebody_else.execute("SELECT llmcost_tenant(%s)", [str(acme.account.pk)])
        somebody_else.execute(
            "SELECT 1 FROM accounts_account WHERE id = %s FOR NO KEY UPDATE", [acme.account.pk]
        )
        assert fold_due_accounts() == 0

    with time_machine.travel(clock.now() + timedelta(seconds=3)):
        assert fold_due_accounts() == 3


def test_the_latencies_of_a_busy_user_do_not_grow_with_his_calls(acme, api):
    for _ in range(5):
        api(acme.key, "POST", "/v1/events", [
            {**CALL, "user_id": "u", "latency_ms": 100 * (1 + n % 3)} for n in range(60)
        ])  # fmt: skip
        fold(acme.account.pk)

    with tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute("SELECT calls, cardinality(latencies) FROM events_user_day")
        [(calls, entries)] = cursor.fetchall()
    row = api(acme.key, "GET", "/v1/usage?group_by=user_id").json()["data"][0]
    assert calls == 300
    assert entries <= 40
    assert row["latency_p50_ms"] == pytest.approx(200, rel=MAX_RELATIVE_ERROR)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 545), st.sampled_from([-3, -1, 1, 2, 10**12]))))
def test_merged_latencies_are_the_same_counts_each_bucket_once(db, entries):
    counts = Counter()
    for bucket, number in entries:
        counts[bucket] += number

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT one & 4095, one >> 12 FROM unnest(llmcost_latencies_merged(%s)) AS one",
            [[bucket + 4096 * number for bucket, number in entries]],
        )
        merged = cursor.fetchall()

    assert merged == sorted(pair for pair in counts.items() if pair[1])


def test_an_event_after_a_silent_time_wakes_the_folder(acme, api):
    api(acme.key, "POST", "/v1/events", CALL)
    fold_due_accounts()
    fold_due_accounts()

    from events.ingest import store

    store._woken.clear()  # a second has passed
    api(acme.key, "POST", "/v1/events", CALL)

    assert fold_due_accounts() == 1


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("tz=../../etc/passwd", "tz"),
        ("tz=", "tz"),
        ("tz=Mars/Olympus", "tz"),
        ("interval=minute", "interval"),
        ("group_by=project", "group_by"),
        ("group_by=model,model", "group_by"),
        ("filter.project=x", "Parameters"),
        ("from=yesterday", "from"),
        ("from=2026-01-01T00:00:00", "from"),
        ("from=2026-02-30", "from"),
        ("to=0001-01-01T00:00:00Z", "to"),
        ("from=2026-01-02&to=2026-01-01", "later"),
        ("from=2026-01-01&to=2026-01-01", "later"),
        ("from=2016-01-01&to=2026-01-01&interval=hour", "too long"),
        ("format=xml", "format"),
        ("filter.model=%00", "control"),
        ("&".join(f"filter.model={n}" for n in range(51)), "50"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_with_a_sentence(acme, api, params, words):
    answer = api(acme.key, "GET", f"/v1/usage?{params}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")
    assert words in answer.json()["error"]["message"]


def test_days_of_23_and_25_hours_sum_up(acme, api):
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)  # midnight in Berlin before the day of 23 hours
    events = [
        {**CALL, "created_at": (start + timedelta(minutes=30 * n)).isoformat()} for n in range(96)
    ]
    api(acme.key, "POST", "/v1/events", events)

    days = api(
        acme.key, "GET", "/v1/usage?from=2026-03-29&to=2026-03-31&interval=day&tz=Europe/Berlin"
    ).json()["data"]

    assert [(row["start"], row["calls"]) for row in days] == [
        ("2026-03-29T00:00:00+01:00", 46),
        ("2026-03-30T00:00:00+02:00", 48),
    ]


def test_csv_is_the_same_answer_and_no_cell_is_a_formula(acme, api):
    api(
        acme.key,
        "POST",
        "/v1/events",
        [{**CALL, "feature": name} for name in ("=1+1", "+1", "-1", "@x", "ok", 'a,"b"')],
    )

    csv = api(acme.key, "GET", "/v1/usage?group_by=feature&format=csv")

    assert csv["Content-Type"] == "text/csv; charset=utf-8"
    lines = csv.content.decode().split("\r\n")
    assert lines[0].startswith("start,feature,calls,")
    assert sorted(line.split(",1,1000")[0] for line in lines[1:-1]) == sorted(
        [",'=1+1", ",'+1", ",'-1", ",'@x", ",ok", ',"a,""b"""']
    )


def test_a_key_without_the_scope_reads_nothing(acme, api):
    from projects.models import Scope
    from projects.services import issue_key

    with tenant(acme.account.pk):
        _, key = issue_key(acme.project, name="send", scopes=[Scope.INGEST], by=acme.owner)

    answer = api(key, "GET", "/v1/usage")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "missing_scope")
    assert api(key, "POST", "/v1/events", CALL).status_code == 200
