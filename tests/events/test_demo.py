"""The demo workspace: the same events each time, through the real endpoint, filled once."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from events.demo import wire, workspace
from events.demo.seed import seed
from events.demo.traffic import FEATURES, TOTAL, history, live, trace
from events.ingest import identity
from llmcost import clock
from llmcost.tenancy.context import tenant
from projects.keys.format import is_well_formed
from projects.models import ApiKey
from tests import database

ANCHOR = datetime(2026, 11, 24, 9, 30, 12, 345678, tzinfo=UTC)


@pytest.fixture(scope="module")
def events():
    return list(history(ANCHOR))


@pytest.fixture
def site(committed, database_name, unused_port):
    """The product's own web server on this test's database."""
    url = f"http://127.0.0.1:{unused_port}"
    web = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--log-level", "warning"),
            *("--port", str(unused_port), "--blocking-threads", "2", "llmcost.wsgi:application"),
        ],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "APP_DATABASE_URL": database.app_dsn(database_name),
            "DJANGO_SETTINGS_MODULE": "llmcost.settings",
        },
    )
    try:
        wire.wait_until_up(url, patience=30)
        yield SimpleNamespace(url=url)
    finally:
        web.terminate()
        web.wait(20)


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_every_call_of_the_trace_becomes_one_event_with_its_counts_in_order(events):
    for service, feature in FEATURES.items():
        sent = [(e["input_tokens"], e["output_tokens"]) for e in events if e["feature"] == feature]

        assert sent == [(c.input_tokens, c.output_tokens) for c in trace() if c.service == service]

    assert len(events) == TOTAL == 28_185


def test_the_same_anchor_gives_the_same_events(events):
    assert events == list(history(ANCHOR))
    assert len({event["event_id"] for event in events}) == TOTAL


def test_each_id_is_a_uuid7_whose_own_time_is_the_calls(events):
    for event in events[::97]:
        at = datetime.fromisoformat(event["created_at"])
        event_id = UUID(event["event_id"])

        assert (event_id.version, event_id.variant) == (7, "specified in RFC 4122")
        assert abs(identity.milliseconds(event_id) - at.timestamp() * 1000) < 0.01


def test_calls_lie_in_the_thirty_days_that_the_pages_open_with(events):
    times = [datetime.fromisoformat(event["created_at"]) for event in events]
    by_day = Counter(at.date() for at in times)

    assert times == sorted(times)
    assert times[0] >= datetime(2026, 10, 26, tzinfo=UTC)
    assert times[-1] <= ANCHOR
    assert len(by_day) == 30
    weekend = [calls for day, calls in by_day.items() if day.weekday() >= 5]
    working = [calls for day, calls in by_day.items() if day.weekday() < 5]
    assert max(weekend) < sorted(working)[2]


def test_six_days_ago_chat_moved_to_a_dearer_model_and_a_new_prompt(events):
    switch = (ANCHOR - timedelta(days=6)).isoformat()
    before = Counter(
        e["model"] for e in events if e["feature"] == "chat" and e["created_at"] < switch
    )
    after = Counter(
        e["model"] for e in events if e["feature"] == "chat" and e["created_at"] >= switch
    )

    assert before.most_common(1)[0][0] == "gpt-5-mini"
    assert "gpt-5" not in before
    assert after.most_common(1)[0][0] == "gpt-5"
    assert {e["created_at"] >= switch for e in events if e["prompt_version"] == "v4"} == {True}


def test_the_mix_is_broad_and_one_model_has_no_price(events):
    models = Counter(event["model"] for event in events)

    assert 150 <= len({event["user_id"] for event in events}) <= 180
    assert 0.005 < models["acme-ft-7b"] / TOTAL < 0.02
    assert 0.001 < sum("status" in event for event in events) / TOTAL < 0.03


@pytest.mark.parametrize(
    "anchor",
    [
        datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC),
    ],
)
def test_any_anchor_takes_all_calls(anchor):
    times = [event["created_at"] for event in history(anchor)]

    assert len(times) == TOTAL
    assert datetime.fromisoformat(times[-1]) <= anchor


def test_live_calls_are_small_and_happen_now():
    calls = live()
    first = next(calls)

    assert abs(datetime.fromisoformat(first["created_at"]) - datetime.now(UTC)) < timedelta(
        seconds=5
    )
    assert all(next(calls)["input_tokens"] <= 700 for _ in range(50))


def test_the_endpoint_takes_every_event_as_it_is(db, events, api):
    demo = workspace.open_demo()
    key = workspace.issue_demo_key(demo, name="Test", scopes=["ingest", "read"])

    answer = api(key, "POST", "/v1/events", {"events": events[-400:]}).json()

    assert answer == {"accepted": 400, "duplicates": 0, "rejected": [], "warnings": []}


# --- The workspace and its commands ----------------------------------------------------------
def test_demo_key_prints_a_key_and_nothing_else(db, api):
    out = io.StringIO()

    call_command("demo_key", stdout=out)

    key = out.getvalue().strip()
    assert is_well_formed(key)
    assert key.startswith("llmc_test_")
    assert api(key, "GET", "/v1/usage").status_code == 200


def test_demo_key_gives_only_the_scopes_that_were_asked_for(db, api):
    out = io.StringIO()

    call_command("demo_key", "--scopes", "ingest", stdout=out)

    key = out.getvalue().strip()
    assert api(key, "GET", "/v1/usage").json()["error"]["code"] == "missing_scope"
    event = {"model": "gpt-4o", "input_tokens": 1, "output_tokens": 1}
    assert api(key, "POST", "/v1/events", event).json()["accepted"] == 1


def test_there_is_one_workspace_however_often_it_is_opened(db):
    first, second = workspace.open_demo(), workspace.open_demo()

    assert (first.account_id, first.project.pk) == (second.account_id, second.project.pk)
    assert first.project.slug == "demo"
    assert "assigned" in first.project.name


def test_the_printed_login_signs_in(db):
    workspace.open_demo()
    client = Client()

    answer = client.post("/login/", {"login": workspace.EMAIL, "password": workspace.PASSWORD})

    assert answer.status_code == 302
    assert "_auth_user_id" in client.session


def test_a_key_for_every_script_never_meets_the_bound_of_a_project(db, api, monkeypatch):
    monkeypatch.setattr(workspace, "MOST_OF_A_NAME", 2)
    demo = workspace.open_demo()

    texts = [workspace.issue_demo_key(demo, name="Script", scopes=["read"]) for _ in range(4)]

    answers = [api(text, "GET", "/v1/usage").status_code for text in texts]
    assert answers == [401, 200, 200, 200]


@pytest.mark.parametrize("command", ["demo_key", "seed_demo", "demo_traffic"])
def test_a_public_server_gets_no_workspace_with_a_public_password(db, settings, command):
    settings.LOCAL_MODE = False

    with pytest.raises(CommandError, match="--force"):
        call_command(command)


def test_an_address_that_somebody_else_uses_is_left_alone(acme):
    acme.owner.email = workspace.EMAIL
    acme.owner.save()

    with pytest.raises(workspace.NotHere):
        workspace.open_demo()


def test_seeding_that_was_cut_off_goes_on_with_the_same_anchor(db):
    demo = workspace.open_demo()
    _, first = workspace.begin_seeding(demo)

    _, second = workspace.begin_seeding(demo)
    assert second == first
    assert workspace.seeding_done_at(demo) is None

    workspace.end_seeding(demo)
    assert workspace.seeding_done_at(demo) is not None
    with tenant(demo.account_id):
        assert not ApiKey.objects.live(clock.now()).filter(account_id=demo.account_id).exists()


def test_a_new_trickle_replaces_the_key_of_the_last_one(db, api):
    demo = workspace.open_demo()
    first = workspace.issue_traffic_key(demo)

    second = workspace.issue_traffic_key(demo)

    event = {"model": "gpt-4o", "input_tokens": 1, "output_tokens": 1}
    assert api(first, "POST", "/v1/events", event).status_code == 401
    assert api(second, "POST", "/v1/events", event).status_code == 200


def test_seeding_gives_up_in_a_sentence_when_the_site_is_not_there(db, monkeypatch):
    monkeypatch.setattr("events.demo.seed.PATIENCE_SECONDS", 0.3)

    with pytest.raises(CommandError, match="Run it again when the site is up"):
        call_command("seed_demo", "--url", "http://127.0.0.1:9")


def test_seeding_over_http_counts_everything_once(site, api):
    demo = workspace.open_demo()

    seeded = seed(demo, site.url)

    assert (seeded.accepted, seeded.duplicates, seeded.rejected) == (TOTAL, 0, 0)
    key = workspace.issue_demo_key(demo, name="Test", scopes=["read"])
    row = api(key, "GET", "/v1/usage").json()["data"][0]
    assert row["calls"] == TOTAL
    assert row["input_tokens"] == sum(call.input_tokens for call in trace())
    out = io.StringIO()
    call_command("seed_demo", "--url", site.url, stdout=out)
    assert "was filled" in out.getvalue()


def test_the_trickle_sends_a_call_and_ends_at_sigterm(site, api):
    demo = workspace.open_demo()
    key = workspace.issue_demo_key(demo, name="Test", scopes=["ingest", "read"])
    trickle = subprocess.Popen(
        [sys.executable, "-S", "-m", "events.demo.trickle", site.url],
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        text=True,
    )
    try:
        trickle.stdin.write(f"{key}\n")
        trickle.stdin.close()
        deadline = time.monotonic() + 20
        while not api(key, "GET", "/v1/usage").json()["data"][0]["calls"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        os.kill(trickle.pid, signal.SIGTERM)

    assert trickle.wait(5) == 0


def test_a_refusal_is_not_repeated_and_names_its_code(site):
    with wire.connected(site.url, "llmc_test_nothing") as sender, pytest.raises(wire.Refused) as no:
        sender.send([json.loads("{}")], patience=5)

    assert (no.value.status, no.value.code) == (401, "invalid_key")
