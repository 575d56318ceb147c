"""POST /v1/events: what is taken, what a repeat does, and how a whole request fails."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
import uuid_utils
from django.test import override_settings

from tests.calls import CALL, stored


def test_one_event_is_taken_priced_and_in_the_very_next_answer(acme, api):
    answer = api(acme.key, "POST", "/v1/events", CALL)

    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "warnings": []}
    usage = api(acme.key, "GET", "/v1/usage").json()["data"]
    assert [(row["calls"], row["cost_usd"]) for row in usage] == [(1, "0.0006580000")]


@pytest.mark.parametrize(
    "body",
    [CALL, [CALL], {"events": [CALL]}, {"sdk": {"made": 1}, "events": [CALL]}],
    ids=["one", "array", "object", "with sdk"],
)
def test_each_form_of_body_is_taken(acme, api, body):
    assert api(acme.key, "POST", "/v1/events", body).json()["accepted"] == 1


@pytest.mark.parametrize("body", [[], {"events": []}])
def test_no_events_are_no_error(acme, api, body):
    answer = api(acme.key, "POST", "/v1/events", body)

    assert answer.json() == {"accepted": 0, "duplicates": 0, "rejected": [], "warnings": []}


def test_every_field_is_stored_as_sent(acme, api):
    event = {
        "event_id": str(uuid_utils.uuid7()),
        "created_at": "2026-03-01T12:00:00.123456+01:00",
        "model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "input_tokens": 1000,
        "output_tokens": 100,
        "cached_input_tokens": 400,
        "cache_write_tokens": 200,
        "cache_write_1h_tokens": 50,
        "input_audio_tokens": 10,
        "cached_audio_tokens": 5,
        "input_image_tokens": 7,
        "reasoning_tokens": 30,
        "output_audio_tokens": 3,
        "output_image_tokens": 2,
        "web_search_requests": 1,
        "service_tier": "batch",
        "status": "aborted",
        "cost_usd": "0.0123456789",
        "latency_ms": 874,
        "feature": "chat",
        "user_id": "u_7f3a91",
        "prompt_version": "v3",
    }

    assert api(acme.key, "POST", "/v1/events", event).json()["accepted"] == 1
    kept = dict(zip(event, stored(acme, ", ".join(event))[0], strict=True))
    assert {name: str(value) for name, value in kept.items()} == {
        **{name: str(value) for name, value in event.items()},
        "created_at": "2026-03-01 11:00:00.123456+00:00",
    }


def test_camel_case_is_the_same_field(acme, api):
    sent = {
        "model": "m",
        "inputTokens": 5,
        "outputTokens": 6,
        "userId": "u",
        "promptVersion": "v",
        "latencyMs": 9,
        "cacheWrite1hTokens": 1,
        "cacheWriteTokens": 2,
    }

    assert api(acme.key, "POST", "/v1/events", sent).json()["accepted"] == 1
    columns = (
        "input_tokens, output_tokens, user_id, prompt_version, latency_ms, cache_write_1h_tokens"
    )
    assert stored(acme, columns) == [(5, 6, "u", "v", 9, 1)]


@pytest.mark.parametrize("event_id", [str(uuid_utils.uuid7()), str(uuid4())], ids=["v7", "v4"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"created_at": "2024-01-01T00:00:00Z"},
        {"created_at": None},
        {"input_tokens": 7, "model": "x"},
    ],
    ids=["same", "another time", "no time", "other content"],
)
def test_an_id_counts_once_for_life_whatever_else_differs(acme, api, event_id, change):
    first = {**CALL, "event_id": event_id, "created_at": "2025-05-05T05:05:05Z"}
    api(acme.key, "POST", "/v1/events", first)

    answer = api(acme.key, "POST", "/v1/events", [{**first, **change}, {**first, **change}])

    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (0, 2)
    assert stored(acme, "event_id, input_tokens") == [(UUID(event_id), 1000)]
    assert api(acme.key, "GET", "/v1/usage?from=2024-01-01").json()["data"][0]["calls"] == 1


def test_the_same_id_in_one_batch_counts_once(acme, api):
    event = {**CALL, "event_id": str(uuid4())}

    answer = api(acme.key, "POST", "/v1/events", [event, CALL, event]).json()

    assert (answer["accepted"], answer["duplicates"]) == (2, 1)


def test_two_companies_may_use_the_same_id(acme, globex, api):
    event = {**CALL, "event_id": str(uuid4())}

    answers = [
        api(company.key, "POST", "/v1/events", event).json()["accepted"]
        for company in (acme, globex)
    ]

    assert answers == [1, 1]


def test_a_uuid7s_own_time_stands_in_for_a_missing_one(acme, api):
    at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    event_id = UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (0b10 << 62) | 12345)

    api(acme.key, "POST", "/v1/events", {**CALL, "event_id": str(event_id)})

    assert stored(acme, "created_at, id_month") == [(at, 6 * 12 + 2)]


def test_a_uuid7_from_the_future_is_refused_because_its_month_has_not_come(acme, api):
    at = datetime.now(UTC) + timedelta(days=400)
    event_id = UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (0b10 << 62))

    answer = api(
        acme.key,
        "POST",
        "/v1/events",
        {**CALL, "event_id": str(event_id), "created_at": "2026-01-01T00:00:00Z"},
    )

    assert answer.json()["rejected"][0]["field"] == "event_id"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (1_767_225_600, "2026-01-01T00:00:00+00:00"),
        (1_767_225_600_000, "2026-01-01T00:00:00+00:00"),
        (1_767_225_600.5, "2026-01-01T00:00:00.500000+00:00"),
        ("2026-01-01t00:00:00z", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01 00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T14:00:00+14:00", "2026-01-01T00:00:00+00:00"),
        ("2015-01-01T00:00:00Z", "2015-01-01T00:00:00+00:00"),
    ],
)
def test_times_are_taken_in_every_form_of_the_contract(acme, api, sent, kept):
    api(acme.key, "POST", "/v1/events", {**CALL, "created_at": sent})

    assert [at.isoformat() for (at,) in stored(acme, "created_at")] == [kept]


def test_without_any_time_it_is_the_time_of_receipt(acme, api):
    with time_machine.travel(datetime(2026, 11, 20, 12, tzinfo=UTC), tick=False):
        api(acme.key, "POST", "/v1/events", {**CALL, "event_id": str(uuid4())})

    assert stored(acme, "created_at") == [(datetime(2026, 11, 20, 12, tzinfo=UTC),)]


def test_labels_that_look_alike_are_one_and_a_user_id_stays_as_it_is(acme, api):
    decomposed = "Cafe\u0301"

    api(
        acme.key,
        "POST",
        "/v1/events",
        {**CALL, "feature": decomposed, "user_id": decomposed, "prompt_version": decomposed},
    )

    assert stored(acme, "feature, user_id, prompt_version") == [("Café", decomposed, "Café")]


def test_gzip_is_taken_in_several_members_too(acme, api):
    body = json.dumps([CALL, CALL]).encode()
    cut = gzip.compress(body[:10]) + gzip.compress(body[10:])

    answers = [
        api(acme.key, "POST", "/v1/events", sent, headers={"Content-Encoding": "gzip"}).json()[
            "accepted"
        ]
        for sent in (gzip.compress(body), cut)
    ]

    assert answers == [2, 2]


# --- Whole requests that fail ----------------------------------------------------------------
BOMB = gzip.compress(b"[" + b" " * (200 << 20) + b"]")
DEEP = b"[" * 10_000 + b"]" * 10_000


@pytest.mark.parametrize(
    ("body", "headers", "content_type", "status", "code"),
    [
        (b"", {}, "application/json", 400, "malformed_json"),
        (b"   ", {}, "application/json", 400, "malformed_json"),
        (b"{", {}, "application/json", 400, "malformed_json"),
        (b"nonsense", {}, "application/json", 400, "malformed_json"),
        (b"null", {}, "application/json", 400, "malformed_json"),
        (b"5", {}, "application/json", 400, "malformed_json"),
        (b'"text"', {}, "application/json", 400, "malformed_json"),
        (b'{"events": null}', {}, "application/json", 400, "malformed_json"),
        (b'{"events": {}}', {}, "application/json", 400, "malformed_json"),
        (b"[] []", {}, "application/json", 400, "malformed_json"),
        (b"[1,]", {}, "application/json", 400, "malformed_json"),
        (b"\xef\xbb\xbf[]", {}, "application/json", 400, "malformed_json"),
        ("[]".encode("utf-16"), {}, "application/json", 400, "malformed_json"),
        (DEEP, {}, "application/json", 400, "malformed_json"),
        (b'[{"model": ' + DEEP + b"}]", {}, "application/json", 400, "malformed_json"),
        (
            gzip.compress(b"[]", mtime=0)[:-4],
            {"Content-Encoding": "gzip"},
            "application/json",
            400,
            "malformed_json",
        ),
        (b"[]", {"Content-Encoding": "gzip"}, "application/json", 400, "malformed_json"),
        (
            gzip.compress(b"[]", mtime=0) + b"junk",
            {"Content-Encoding": "gzip"},
            "application/json",
            400,
            "malformed_json",
        ),
        (b"[]", {"Content-Encoding": "br"}, "application/json", 415, "unsupported_media_type"),
        (b"[]", {}, "text/plain", 415, "unsupported_media_type"),
        (b"a=1", {}, "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"[" + b" " * (8 << 20) + b"]", {}, "application/json", 413, "too_large"),
        (BOMB, {"Content-Encoding": "gzip"}, "application/json", 413, "too_large"),
        (json.dumps([CALL] * 10_001), {}, "application/json", 413, "too_large"),
        (b"[" + b"1," * 10_000 + b"NaN]", {}, "application/json", 413, "too_large"),
    ],
)
def test_a_request_that_fails_as_a_whole_says_why(
    acme, api, body, headers, content_type, status, code
):
    answer = api(acme.key, "POST", "/v1/events", body, headers=headers, content_type=content_type)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["request_id"] == answer["X-Request-Id"]
    assert stored(acme) == []


def test_ten_thousand_events_are_taken(acme, api):
    assert api(acme.key, "POST", "/v1/events", [CALL] * 10_000).json()["accepted"] == 10_000


def test_requests_over_the_keys_rate_are_told_when_to_come_again(acme, api):
    with override_settings(RATE_LIMIT_PER_KEY=2):
        answers = [api(acme.key, "POST", "/v1/events", []) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    assert answers[-1]["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/", 404, "not_found"),
        ("PUT", "/v1/events", 405, "method_not_allowed"),
        ("DELETE", "/v1/usage", 405, "method_not_allowed"),
        ("POST", "/v1/usage", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_said_in_json(acme, api, method, path, status, code):
    answer = api(acme.key, method, path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer["Content-Type"] == "application/json"


def test_a_month_nobody_prepared_is_made_when_its_first_event_comes(committed, api, database_name):
    import psycopg

    from tests import database
    from tests.conftest import open_company

    acme = open_company("Acme", "alice@acme.example")
    this_month = f"events_event_{datetime.now(UTC):%Y_%m}"
    with psycopg.connect(database.owner_dsn(database_name), autocommit=True) as owner:
        owner.execute(f"DROP TABLE {this_month}")

        answer = api(acme.key, "POST", "/v1/events", {**CALL, "event_id": str(uuid_utils.uuid7())})

        assert answer.json()["accepted"] == 1
        assert owner.execute("SELECT to_regclass(%s)", [this_month]).fetchone() == (this_month,)
