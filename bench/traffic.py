"""The calls of a busy product, as they would be sent: what `ingest.py` and `load.py` measure with.

Twelve models, twenty features with one or two prompt versions in use (thirty in all), thirty
thousand end users of whom few call often and most seldom (the n-th calls 1/n as often as the
first). A feature has one model and sometimes tries another. Most calls leave the cost to us.
"""

import random
from datetime import UTC, datetime
from typing import Any

import uuid_utils

MODELS = (
    "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-4o", "gpt-4o-mini", "gpt-4.1-mini",
    "claude-sonnet-4-5", "claude-haiku-4-5", "gemini-2.5-flash", "gemini-2.5-pro",
    "mistral-large-latest", "deepseek-chat",
)  # fmt: skip
FEATURES = (
    "chat", "search", "summary", "triage", "translate", "autocomplete", "classify", "extract",
    "rewrite", "suggest-reply", "tagging", "moderation", "sql-helper", "report", "onboarding",
    "voice-notes", "meeting-notes", "email-draft", "code-review", "insights",
)  # fmt: skip
USERS = 30_000
SECOND_VERSION = 10  # so many features have two prompt versions in use
OTHER_MODEL = 0.15
CACHED, REASONING, COST_GIVEN, FAILED = 0.4, 0.25, 0.1, 0.01


def event() -> dict[str, Any]:
    """Return one call that ends now."""
    feature = min(int(len(FEATURES) ** random.random()), len(FEATURES)) - 1
    model = feature if random.random() > OTHER_MODEL else random.randrange(len(MODELS))
    version = 1 + (feature < SECOND_VERSION and random.random() < 0.5)
    input_tokens = int(random.lognormvariate(6.5, 1.2)) + 20
    output_tokens = int(random.lognormvariate(5, 1)) + 1
    call = {
        "event_id": str(uuid_utils.uuid7()),
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "model": MODELS[model % len(MODELS)],
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "latency_ms": int(random.lognormvariate(7, 0.7)),
        "feature": FEATURES[feature],
        "user_id": f"user_{int(USERS ** random.random()):05}",
        "prompt_version": f"{FEATURES[feature]}-v{version}",
    }
    if random.random() < CACHED:
        call["cached_input_tokens"] = input_tokens // 2
    if random.random() < REASONING:
        call["reasoning_tokens"] = output_tokens // 3
    if random.random() < COST_GIVEN:
        call["cost_usd"] = f"{random.randrange(1, 50_000) / 1_000_000:.6f}"
    if random.random() < FAILED:
        call["status"] = "error"
    return call
