"""What random calls look like; shared by the property tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

# Zones whose days are 23, 25 or 24.5 hours long, begin off the hour, or skip a day.
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/St_Johns",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "America/Los_Angeles",
    ]
)
START = datetime(2025, 10, 20, tzinfo=UTC)
# Around the end of summer time in Europe and America, and a month's end.
MOMENTS = st.integers(0, 20 * 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))
NAMES = st.sampled_from([None, "a", "b", "ü" * 50, "=x", '"'])
COSTS = st.one_of(
    st.none(),
    st.decimals(min_value=0, max_value=Decimal("99999.9999999999"), places=10, allow_nan=False),
)


@st.composite
def calls(draw):
    """One event as the contract has it."""
    cached = draw(st.integers(0, 50))
    written = draw(st.integers(0, 50))
    cost = draw(COSTS)
    event = {
        "event_id": str(draw(st.uuids(version=4))),
        "created_at": draw(MOMENTS).isoformat(),
        "model": draw(st.sampled_from(["gpt-5-mini", "claude-sonnet-4-5", "acme-ft-7b"])),
        "input_tokens": cached + written + draw(st.integers(0, 2_000_000)),
        "output_tokens": draw(st.integers(0, 100_000)),
        "cached_input_tokens": cached,
        "cache_write_tokens": written,
        "latency_ms": draw(st.one_of(st.none(), st.integers(0, 600_000))),
        "feature": draw(NAMES),
        "user_id": draw(NAMES),
        "prompt_version": draw(NAMES),
        "status": draw(st.sampled_from(["ok", "error", "aborted"])),
    }
    if cost is not None:
        event["cost_usd"] = str(cost)
    return event
