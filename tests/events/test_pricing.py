"""What a call costs: against the catalogue's own arithmetic, and where no price is known."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, data_snapshot
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from events.ingest.wire import Event
from events.pricing import catalogue
from events.pricing.names import canonical_provider
from tests.calls import CALL, stored

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODELS = [
    (owner.id, model.id)
    for owner in data_snapshot.get_snapshot().providers
    for model in owner.models
]
TOKENS = st.integers(0, 300_000)


@settings(max_examples=300)
@given(
    which=st.sampled_from(MODELS),
    cached=TOKENS,
    written=TOKENS,
    plain=TOKENS,
    audio=TOKENS,
    out=TOKENS,
    at=st.datetimes(datetime(2024, 1, 1), datetime(2026, 11, 20), timezones=st.just(UTC)),
)
def test_every_model_costs_what_the_catalogue_says(which, cached, written, plain, audio, out, at):
    provider, model = which
    counts = {
        "input_tokens": cached + written + plain + audio,
        "output_tokens": out,
        "cached_input_tokens": cached,
        "cache_write_tokens": written,
        "input_audio_tokens": audio,
    }
    try:
        rate = catalogue.rate_for(provider, model, None, at)
    except catalogue.Unpriced:
        assume(False)
    owner, info = data_snapshot.get_snapshot().find_provider_model(model, None, provider, None)
    usage = Usage(
        input_tokens=counts["input_tokens"],
        output_tokens=out,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        input_audio_tokens=audio,
        cache_audio_read_tokens=0,
        cache_write_1h_tokens=0,
        input_image_tokens=0,
        cache_image_read_tokens=0,
    )

    theirs = info.calc_price(usage, owner, genai_request_timestamp=at).total_price

    assert rate.cost(Event(model=model, **counts)) == theirs.quantize(Decimal("1e-10"))


@settings(max_examples=200)
@given(which=st.sampled_from(MODELS), tokens=TOKENS, out=TOKENS)
def test_no_price_is_negative_or_grows_with_fewer_tokens_cached(which, tokens, out):
    try:
        rate = catalogue.rate_for(*which, None, AT)
    except catalogue.Unpriced:
        assume(False)

    assert rate.cost(Event(model=which[1], input_tokens=tokens, output_tokens=out)) >= 0


@pytest.mark.parametrize(
    ("event", "cost"),
    [
        ({"model": "gpt-5-mini"}, "0.0024500000"),
        ({"model": "gpt-5-mini", "cached_input_tokens": 800}, "0.0022700000"),
        ({"model": "claude-sonnet-4-5"}, "0.0195000000"),
        ({"model": "claude-sonnet-4-5", "cached_input_tokens": 500}, "0.0181500000"),
        ({"model": "claude-sonnet-4-5", "cache_write_tokens": 1000}, "0.0202500000"),
        ({"model": "claude-sonnet-4-5", "cache_write_tokens": 1000, "cache_write_1h_tokens": 1000}, "0.0225000000"),
        ({"model": "claude-sonnet-4-5", "service_tier": "batch"}, "0.0097500000"),
        ({"model": "claude-sonnet-4-5", "service_tier": "batch", "created_at": "2026-01-05T00:00:00Z"}, "0.0097500000"),
        ({"model": "claude-sonnet-4-5", "service_tier": "standard"}, "0.0195000000"),
        ({"model": "claude-sonnet-4-5", "web_search_requests": 2}, "0.0395000000"),
        ({"model": "models/gemini-2.5-flash"}, "0.0030500000"),
        ({"model": "gemini-2.5-flash", "provider": "gcp.vertex_ai"}, "0.0030500000"),
        ({"model": "us.anthropic.claude-haiku-4-5-20251001-v1:0"}, None),
        ({"model": "us.anthropic.claude-haiku-4-5-20251001-v1:0", "provider": "aws.bedrock"}, "0.0071500000"),
        ({"model": "gpt-5-mini", "input_tokens": 0, "output_tokens": 0}, "0.0000000000"),
        ({"model": "gpt-5-mini", "input_tokens": 1, "output_tokens": 0}, "0.0000002500"),
        ({"model": "acme-ft-7b"}, None),
        ({"model": "gpt-5-mini", "provider": "my-gateway"}, None),
    ],
)  # fmt: skip
def test_a_call_costs(acme, api, event, cost):
    api(
        acme.key,
        "POST",
        "/v1/events",
        {
            "input_tokens": 1000 if "input_tokens" not in event else 0,
            "output_tokens": 1100,
            **event,
        },
    )

    kept, source, reason = stored(acme, "cost_usd, cost_source, unpriced_reason")[0]
    row = api(acme.key, "GET", "/v1/usage?from=2026-01-01").json()["data"][0]
    if cost is None:
        assert (kept, source, reason) == (None, "unpriced", "unknown_model")
        assert (row["unpriced_calls"], Decimal(row["cost_usd"])) == (1, 0)
    else:
        assert (f"{kept:f}", source, reason) == (cost, "catalogue", None)
        assert (row["unpriced_calls"], row["cost_usd"]) == (0, cost)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"model": "gpt-3.5-turbo", "service_tier": "fast"}, "unknown_tier"),
        ({"model": "gpt-5-mini", "cached_input_tokens": 900, "input_audio_tokens": 900}, None),
        (
            {"model": "command-r", "provider": "cohere", "web_search_requests": 1},
            "unknown_search_price",
        ),
    ],
)
def test_a_price_that_is_not_known_is_not_guessed(acme, api, event, reason):
    assert api(acme.key, "POST", "/v1/events", {**CALL, **event}).json()["accepted"] == 1

    assert stored(acme, "unpriced_reason") == [(reason,)]


def test_audio_and_cache_that_overlap_beyond_the_whole_have_no_price(acme, api):
    event = {
        "model": "gpt-realtime",
        "provider": "openai",
        "input_tokens": 100,
        "output_tokens": 1,
        "cached_input_tokens": 80,
        "input_audio_tokens": 80,
    }
    api(acme.key, "POST", "/v1/events", [event, {**event, "cached_audio_tokens": 70}])

    assert sorted(stored(acme, "unpriced_reason"), key=str) == [("inconsistent_counts",), (None,)]


def test_the_callers_cost_stands_and_ours_is_kept_beside_it(acme, api):
    api(
        acme.key,
        "POST",
        "/v1/events",
        [{**CALL, "cost_usd": 0.5}, {**CALL, "model": "acme-ft-7b", "cost_usd": "0"}],
    )

    assert set(stored(acme, "cost_source, cost_usd, catalogue_cost_usd")) == {
        ("caller", Decimal(0), None),
        ("caller", Decimal("0.5"), Decimal("0.000658")),
    }
    row = api(acme.key, "GET", "/v1/usage").json()["data"][0]
    assert (row["cost_usd"], row["unpriced_calls"]) == ("0.5000000000", 0)


def test_each_price_can_be_proved_by_the_rate_that_was_used(acme, api):
    from django.db import connection

    api(acme.key, "POST", "/v1/events", CALL)

    (rate_id,) = stored(acme, "rate_id")[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT catalogue, provider, model, units::text FROM events_rate WHERE id = %s",
            [rate_id],
        )
        kept = cursor.fetchone()
    assert kept[:3] == (catalogue.CATALOGUE, "openai", "gpt-5-mini")
    assert '"2.5E-7"' in kept[3]


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("aws.bedrock", "aws"),
        ("azure.ai.openai", "azure"),
        ("gcp.gemini", "google"),
        ("x_ai", "x-ai"),
        ("Mistral_AI", "mistral"),
        ("openai", "openai"),
        ("My Gateway", "My Gateway"),
    ],
)
def test_a_provider_is_the_same_under_all_its_names(name, same):
    assert canonical_provider(name) == same


def test_prices_that_change_by_the_hour_are_told_apart():
    by_hour = [
        catalogue.rate_for(
            "deepseek", "deepseek-chat", None, datetime(2025, 6, 1, hour, 45, tzinfo=UTC)
        ).cost(Event(model="deepseek-chat", input_tokens=10**6, output_tokens=10**6))
        for hour in (12, 20)
    ]

    assert by_hour[0] != by_hour[1]
