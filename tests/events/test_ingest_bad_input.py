"""Every field at and past each bound: the exact code, the rest of the batch taken, no value told."""

import json
from pathlib import Path

import pytest

from events.ingest.wire import CONTENT_NAMES
from tests import database
from tests.calls import CALL, stored
from tests.conftest import open_company
from tests.scenes import kept, same_company

GOOD = {**CALL, "feature": "good"}
COUNTS = [
    "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens",
    "input_audio_tokens", "cached_audio_tokens", "input_image_tokens", "reasoning_tokens",
    "output_audio_tokens", "output_image_tokens", "web_search_requests", "latency_ms",
]  # fmt: skip
NOT_A_COUNT = [
    "-1", "-0.0", "1.0", "1.5", "1e3", "1e999", "NaN", "Infinity", "-Infinity", "true", "false", '"5"', '""',
    "2147483648", "4294967296", "9223372036854775808", "1" * 5000, "[1]", "{}", '"١٢"', '"1_000"',
]  # fmt: skip
NOT_A_COST = [
    "-1", "-0.01", "NaN", "Infinity", "1e999", '"NaN"', '"Infinity"', '"-Infinity"', '"1e400"', '"1_000"', '"١٢"',
    '""', '" 1"', '"1 "', '"0x10"', '"1,5"', "true", "[]", "{}", "10000000000", '"10000000000"', "9999999999.99999999999",
    '"9999999999.99999999999"', '"+1"', '".5"', '"1."', '"sNaN"', '"1e"', '"--1"', "1" * 5000, '"' + "9" * 500 + '"',
]  # fmt: skip
NOT_A_TIME = [
    '"2026-01-01T00:00:00"', '"2026-01-01"', '"yesterday"', '""', '"2026-01-01T00:00:60Z"', '"2026-01-01T24:00:00Z"',
    '"2026-13-01T00:00:00Z"', '"2026-01-01T00:00:00+24:00"', '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-12:00"',
    '"10000-01-01T00:00:00Z"', '"2014-12-31T23:59:59Z"', '"2099-01-01T00:00:00Z"', "1e999", "NaN", "true", "[]", "{}",
    "0", "-1", "1767225600000000", "1767225600000000000", "99999999999", '"1767225600"',
]  # fmt: skip
NOT_A_TEXT = [
    "5", "true", "[]", "{}", "NaN", json.dumps("x" * 201), json.dumps("x" * 1_000_000), '"\\u0000"', '"a\\u0000b"',
    '"\\ud800"', '"\\udc00\\ud800"', '"a\\nb"', '"a\\tb"', '"\\u001b[31m"', '"\\u007f"', '"\\u0085"', '"\x7f"', '"\u0085"',
]  # fmt: skip
NOT_AN_ID = ['"x"', "5", '"00000000-0000-0000-0000-00000000000"', '""', "[]", "true", '"\\ud800"']
NOT_A_WORD = ['"OK"', '"unknown"', '""', "5", "true", "[]"]

CASES = [
    *((field, value) for field in COUNTS for value in NOT_A_COUNT),
    *(("cost_usd", value) for value in NOT_A_COST),
    *(("created_at", value) for value in NOT_A_TIME),
    *((field, value) for field in ("feature", "user_id", "prompt_version", "model", "provider") for value in NOT_A_TEXT),
    *(("event_id", value) for value in NOT_AN_ID),
    *((field, value) for field in ("status", "service_tier") for value in NOT_A_WORD),
    ("model", '""'), ("model", "null"), ("input_tokens", "null"), ("output_tokens", "null"),
    ("provider", json.dumps("x" * 65)),
]  # fmt: skip


@pytest.fixture(scope="module")
def kept_acme(django_db_setup, django_db_blocker):
    with kept(django_db_blocker, lambda: open_company("Acme", "alice@acme.example")) as made:
        yield made


@pytest.fixture
def acme(kept_acme, db):
    return same_company(kept_acme)


def with_field(field, value):
    """GOOD's bytes with one field set to raw JSON text."""
    event = {**CALL, field: None}
    event.pop(field)
    return (
        "{"
        + ", ".join(
            [
                *(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in event.items()),
                f'"{field}": {value}',
            ]
        )
        + "}"
    ).encode()


@pytest.mark.parametrize(
    ("field", "value"), CASES, ids=lambda part: part[:24] if part.isascii() else ascii(part)[:24]
)
def test_a_bad_value_is_refused_by_name_and_the_rest_is_taken(acme, api, field, value):
    good = json.dumps(GOOD).encode()

    answer = api(
        acme.key,
        "POST",
        "/v1/events",
        b"[" + good + b"," + with_field(field, value) + b"," + good + b"]",
    )

    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body["accepted"] == 2
    assert [(one["index"], one["code"], one["field"]) for one in body["rejected"]] == [
        (1, "invalid_field", field)
    ]
    assert stored(acme, "feature") == [("good",), ("good",)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, "2147483647") for field in ("input_tokens", "output_tokens", "latency_ms", "web_search_requests")),
        *((field, "0") for field in COUNTS),
        *((field, "null") for field in (*COUNTS[2:], "cost_usd", "created_at", "feature", "user_id", "prompt_version", "provider", "event_id", "status", "service_tier")),
        ("input_tokens", "-0"),
        ("cost_usd", "0"), ("cost_usd", "-0.0"), ("cost_usd", '"0.0000000001"'), ("cost_usd", "9999999999.9999999999"),
        ("cost_usd", '"1e-5"'), ("cost_usd", "1E+3"), ("cost_usd", '"0.00000000004"'),
        *((field, json.dumps("x" * 200)) for field in ("feature", "user_id", "prompt_version", "model")),
        ("provider", json.dumps("x" * 64)),
        ("feature", json.dumps("\u202egnp.exe")), ("feature", json.dumps("\u200b")), ("feature", json.dumps("👩‍👩‍👧‍👦" * 20)),
        ("user_id", json.dumps("=cmd|' /C calc'!A0")), ("feature", '""'), ("user_id", json.dumps("'; DROP TABLE events_event; --")),
        ("feature", '"\\ud83d\\ude00"'), ("created_at", '"2026-01-01T00:00:00.123456789Z"'), ("created_at", '"2026-01-01T00:00:00-00:00"'),
    ],
    ids=lambda part: part[:24] if part.isascii() else ascii(part)[:24],
)  # fmt: skip
def test_a_value_at_its_bound_is_taken(acme, api, field, value):
    answer = api(acme.key, "POST", "/v1/events", with_field(field, value)).json()

    assert (answer["accepted"], answer["rejected"]) == (1, [])


@pytest.mark.parametrize("text", ["5", "null", '"x"', "[]", "true", "NaN", "[[1]]"])
def test_an_event_that_is_no_object_is_refused_alone(acme, api, text):
    good = json.dumps(GOOD)

    answer = api(acme.key, "POST", "/v1/events", f"[{good}, {text}, {good}]").json()

    assert answer["accepted"] == 2
    assert [(one["index"], one["code"], one["field"]) for one in answer["rejected"]] == [
        (1, "invalid_field", None)
    ]


@pytest.mark.parametrize(
    ("event", "field", "words"),
    [
        ({"cached_input_tokens": 600, "cache_write_tokens": 401}, "input_tokens", "Anthropic"),
        (
            {"cache_write_tokens": 5, "cache_write_1h_tokens": 6},
            "cache_write_tokens",
            "cache_write_1h_tokens",
        ),
        ({"cache_write_1h_tokens": 6}, "cache_write_tokens", "cache_write_1h_tokens"),
        ({"input_audio_tokens": 1001}, "input_tokens", "input_audio_tokens"),
        ({"input_image_tokens": 1001}, "input_tokens", "input_image_tokens"),
        (
            {"cached_input_tokens": 1, "cached_audio_tokens": 2},
            "cached_input_tokens",
            "cached_audio_tokens",
        ),
        ({"reasoning_tokens": 205}, "output_tokens", "reasoning_tokens"),
        ({"output_audio_tokens": 205}, "output_tokens", "output_audio_tokens"),
        ({"output_image_tokens": 205}, "output_tokens", "output_image_tokens"),
    ],
)
def test_parts_larger_than_their_whole_are_refused_with_advice(acme, api, event, field, words):
    rejected = api(acme.key, "POST", "/v1/events", {**CALL, **event}).json()["rejected"]

    assert [(one["code"], one["field"]) for one in rejected] == [("invalid_field", field)]
    assert words in rejected[0]["message"]


@pytest.mark.parametrize(
    "name",
    [*sorted(CONTENT_NAMES), "system_prompt", "systemPrompt", "Messages", "INPUT", "tool.calls"],
)
def test_an_event_with_content_is_refused_whole(acme, api, name):
    answer = api(acme.key, "POST", "/v1/events", [{**CALL, name: "CANARY"}, GOOD]).json()

    assert answer["accepted"] == 1
    assert [(one["code"], one["field"]) for one in answer["rejected"]] == [
        ("content_not_accepted", name)
    ]
    assert "CANARY" not in str(answer)


def test_an_unknown_field_is_dropped_and_named_once(acme, api):
    answer = api(
        acme.key,
        "POST",
        "/v1/events",
        [{**CALL, "shard": 1, "zone": {"a": [1]}}, {**CALL, "shard": 2}],
    ).json()

    assert answer["accepted"] == 2
    assert answer["warnings"] == [
        {"code": "unknown_field", "field": "shard"},
        {"code": "unknown_field", "field": "zone"},
    ]


def test_a_field_name_that_could_be_text_is_not_told(acme, api):
    answer = api(
        acme.key,
        "POST",
        "/v1/events",
        {**CALL, "Please summarise CANARY": 1, "x" * 65: 1, "\ud800": 1},
    ).json()

    assert answer["accepted"] == 1
    assert answer["warnings"] == [{"code": "unknown_field", "field": "?"}]


def test_of_a_field_given_twice_the_last_counts(acme, api):
    body = b'{"model": "a", "input_tokens": 1, "output_tokens": 1, "model": "b", "inputTokens": 2}'

    assert api(acme.key, "POST", "/v1/events", body).json()["accepted"] == 1
    assert stored(acme, "model, input_tokens") == [("b", 2)]


def test_a_second_content_field_does_not_hide_behind_the_first(acme, api):
    body = (
        b'{"model": "a", "input_tokens": 1, "output_tokens": 1, "prompt": null, "prompt": "CANARY"}'
    )

    assert (
        api(acme.key, "POST", "/v1/events", body).json()["rejected"][0]["code"]
        == "content_not_accepted"
    )


def test_no_value_of_a_refused_event_is_in_any_log(acme, api, log_lines):
    canary = "CANARY7f3a91"
    bad = [
        *({**CALL, field: [canary]} for field in CALL),
        {**CALL, "feature": canary + "\x00"}, {**CALL, "user_id": canary * 30}, {**CALL, "prompt": canary},
        {**CALL, "cost_usd": canary}, {**CALL, "created_at": canary}, {**CALL, "event_id": canary}, {**CALL, canary + " ": canary},
        {**CALL, "status": canary}, canary,
    ]  # fmt: skip

    answer = api(acme.key, "POST", "/v1/events", bad)
    api(acme.key, "POST", "/v1/events", canary.encode())
    api(acme.key, "GET", f"/v1/usage?{canary}={canary}&tz={canary}")
    api("llmc_live_" + canary, "GET", f"/v1/{canary}")

    assert answer.status_code == 200
    assert len(answer.json()["rejected"]) == len(bad) - 1
    assert "events_ingested" in log_lines()
    everything = log_lines() + str(answer.json())
    everything += (Path(database.DATA) / "postgres.log").read_text()
    assert canary not in everything


def test_a_statement_that_fails_in_the_database_leaves_no_value_in_its_log(acme):
    """The three settings of the server and bound parameters, against a failure past our checks."""
    from django.db import IntegrityError, connection, transaction

    from llmcost.tenancy.context import tenant

    with tenant(acme.account.pk), connection.cursor() as cursor:
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(
                "INSERT INTO events_event (account_id, project_id, event_id, id_month, created_at, model, feature,"
                " input_tokens, output_tokens, cost_source, status) "
                "VALUES (%s, 1, gen_random_uuid(), 0, now(), 'CANARYm', %s, -1, 1, 'unpriced', 'ok')",
                [acme.account.pk, "CANARYf"],
            )

    assert "CANARY" not in (Path(database.DATA) / "postgres.log").read_text()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('log_error_verbosity'), current_setting('log_min_error_statement'), "
            "current_setting('log_parameter_max_length_on_error')"
        )
        assert cursor.fetchone() == ("terse", "panic", "0")
