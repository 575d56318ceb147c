"""From the Azure traces to events: token counts and order are theirs, the rest is assigned.

Assigned by a fixed seed: model, end user, prompt version, latency, status, token classes, and the
time within 30 days. The same anchor gives the same events with the same ids, so that sending them
twice changes nothing.
"""

import csv
import gzip
import hashlib
import heapq
import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

TRACE = Path(__file__).with_name("data") / "azure-llm-inference-2023.csv.gz"
CALLS = {"conv": 19_366, "code": 8_819}
TOTAL = sum(CALLS.values())
TRACE_MILLISECONDS = 3_514_000
SEED = "llm-cost-tracker demo 1"
DAYS = 30
USERS = 180

FEATURES = {"conv": "chat", "code": "coding"}
# Share of a day's calls by hour (UTC), and of a week's by day from Monday.
HOURS = {
    "conv": (
        6, 4, 3, 3, 4, 8, 18, 38, 62, 80, 88, 86, 76, 84, 90, 86, 76, 64, 54, 48, 40, 30, 18, 10,
    ),
    "code": (
        3, 2, 1, 1, 2, 5, 14, 40, 78, 96, 98, 90, 58, 82, 96, 94, 84, 60, 34, 22, 16, 12, 8, 5,
    ),
}  # fmt: skip
WEEKDAYS = {
    "conv": (96, 100, 100, 98, 90, 46, 42),
    "code": (94, 100, 100, 98, 82, 18, 14),
}
# How far the trace's own bursts move a call; an hour of bursts is days of them once stretched.
BURSTS = 0.3

# The story that the overview tells: six days ago chat moved to a dearer model and a new prompt.
SWITCH_BACK = timedelta(days=6)
CHAT_V3_BACK, CODING_V2_BACK = timedelta(days=19), timedelta(days=13)
SHARES = {
    "chat before": {
        "gpt-5-mini": 78, "claude-haiku-4-5": 14, "gpt-4o-mini": 4, "gemini-2.5-flash": 3,
        "acme-ft-7b": 1,
    },
    "chat": {
        "gpt-5": 72, "claude-haiku-4-5": 13, "gpt-5-mini": 7, "gpt-4o-mini": 4,
        "gemini-2.5-flash": 3, "acme-ft-7b": 1,
    },
    "coding": {
        "claude-sonnet-4-5": 70, "gpt-5-mini": 23, "gemini-2.5-flash": 4, "gpt-4o-mini": 2,
        "acme-ft-7b": 1,
    },
}  # fmt: skip
# Milliseconds to the first token and for each further one.
SPEED = {
    "gpt-5-mini": (420, 8.0), "gpt-5": (900, 15.0), "claude-haiku-4-5": (380, 7.0),
    "claude-sonnet-4-5": (780, 13.0), "gemini-2.5-flash": (340, 5.0), "gpt-4o-mini": (400, 10.0),
    "acme-ft-7b": (240, 12.0),
}  # fmt: skip
REASONING = {"gpt-5", "gpt-5-mini"}
WITHOUT_CACHE = {"acme-ft-7b"}
SMALLEST_CACHED = 1_024
ERROR_SHARE, ABORTED_SHARE = 0.009, 0.006
# A call of the live trickle is a small one, so that a machine left alone costs little in the demo.
LIVE_INPUT, LIVE_OUTPUT = 700, 150

Event = dict[str, Any]


class Call(NamedTuple):
    """One line of the trace."""

    milliseconds: int
    service: str
    input_tokens: int
    output_tokens: int


def trace() -> Iterator[Call]:
    """Read the calls in their order, one at a time."""
    with gzip.open(TRACE, "rt", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        for milliseconds, service, context, generated in rows:
            yield Call(int(milliseconds), service, int(context), int(generated))


def history(anchor: datetime) -> Iterator[Event]:
    """Return the whole trace as events of the 30 calendar days (UTC) that end at `anchor`."""
    services = (_placed(service, anchor) for service in CALLS)
    draw = random.Random(SEED)  # noqa: S311 - a fixed seed is the point
    for number, (at, call) in enumerate(heapq.merge(*services)):
        yield _event(call, at, draw, switched=anchor - SWITCH_BACK, anchor=anchor, number=number)


def live() -> Iterator[Event]:
    """Return small calls without end; each happens at the moment it is asked for."""
    draw = random.Random()  # noqa: S311 - not the same calls after each start
    small = (
        call
        for call in _endless_trace(skip=draw.randrange(TOTAL))
        if call.input_tokens <= LIVE_INPUT and call.output_tokens <= LIVE_OUTPUT
    )
    for call in small:
        now = datetime.now(UTC)
        yield _event(call, now, draw, switched=now, anchor=now, number=draw.getrandbits(48))


def _endless_trace(skip: int) -> Iterator[Call]:
    while True:
        yield from islice(trace(), skip, None)
        skip = 0


def _placed(service: str, anchor: datetime) -> Iterator[tuple[datetime, Call]]:
    """Stretch one service's calls over the 30 days, in their order."""
    hours, weights = _rhythm(service, anchor)
    for rank, call in enumerate(call for call in trace() if call.service == service):
        share = (1 - BURSTS) * (rank + 0.5) / CALLS[service]
        share += BURSTS * call.milliseconds / TRACE_MILLISECONDS
        wanted = share * weights[-1]
        hour = bisect_right(weights, wanted) - 1
        part = (wanted - weights[hour]) / (weights[hour + 1] - weights[hour])
        at = hours[hour] + part * (hours[hour + 1] - hours[hour])
        # To the millisecond, which is what an id can hold.
        yield at.replace(microsecond=at.microsecond // 1000 * 1000), call


def _rhythm(service: str, anchor: datetime) -> tuple[list[datetime], list[float]]:
    """Return the hours' limits up to the anchor, and how much weight lies before each of them."""
    today = anchor.replace(hour=0, minute=0, second=0, microsecond=0)
    limits = [today - timedelta(days=DAYS - 1)]
    weights = []
    while (at := limits[-1]) < anchor:
        limits.append(min(at + timedelta(hours=1), anchor))
        share_of_hour = (limits[-1] - at) / timedelta(hours=1)
        weights.append(HOURS[service][at.hour] * WEEKDAYS[service][at.weekday()] * share_of_hour)
    return limits, list(accumulate(weights, initial=0.0))


def _event(
    call: Call,
    at: datetime,
    draw: random.Random,
    *,
    switched: datetime,
    anchor: datetime,
    number: int,
) -> Event:
    feature = FEATURES[call.service]
    model = _model(feature, at, draw, switched)
    first, each = SPEED[model]
    usual = first + each * call.output_tokens + 0.03 * call.input_tokens
    event: Event = {
        "event_id": str(_uuid7(at, number)),
        "created_at": at.isoformat(timespec="milliseconds"),
        "model": model,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "latency_ms": round(usual * draw.lognormvariate(0, 0.3)),
        "feature": feature,
        "user_id": _user(feature, draw),
        "prompt_version": _prompt_version(feature, model, at, switched, anchor),
    }
    lucky = draw.random()
    if lucky < ERROR_SHARE + ABORTED_SHARE:
        event["status"] = "error" if lucky < ERROR_SHARE else "aborted"
    if call.input_tokens >= SMALLEST_CACHED and draw.random() < 0.45 and model not in WITHOUT_CACHE:
        event["cached_input_tokens"] = int(call.input_tokens * draw.uniform(0.3, 0.85)) // 128 * 128
    if model in REASONING:
        event["reasoning_tokens"] = int(call.output_tokens * draw.uniform(0, 0.5))
    return event


def _model(feature: str, at: datetime, draw: random.Random, switched: datetime) -> str:
    kind = "chat before" if feature == "chat" and at < switched else feature
    models, weights = _choices(kind)
    return draw.choices(models, cum_weights=weights)[0]


@cache
def _choices(kind: str) -> tuple[list[str], list[int]]:
    return list(SHARES[kind]), list(accumulate(SHARES[kind].values()))


def _prompt_version(
    feature: str, model: str, at: datetime, switched: datetime, anchor: datetime
) -> str:
    if feature == "coding":
        return "v2" if at >= anchor - CODING_V2_BACK else "v1"
    if at >= switched and model == "gpt-5":
        return "v4"
    return "v3" if at >= anchor - CHAT_V3_BACK else "v2"


def _user(feature: str, draw: random.Random) -> str:
    users, weights = _users(feature)
    return draw.choices(users, cum_weights=weights)[0]


@cache
def _users(feature: str) -> tuple[list[str], list[float]]:
    """Return the end users with a long tail: few call often, many seldom; coders are a third."""
    count = USERS if feature == "chat" else USERS // 3
    names = [f"u_{hashlib.sha256(f'{SEED} {n}'.encode()).hexdigest()[:6]}" for n in range(USERS)]
    order = random.Random(f"{SEED} {feature}").sample(names, count)  # noqa: S311 - see history
    return order, list(accumulate(1 / (rank + 3) ** 1.25 for rank in range(count)))


def _uuid7(at: datetime, number: int) -> UUID:
    """Return a UUIDv7 with `at` as its time; its other bits are a function of seed and number."""
    milliseconds = round(at.timestamp() * 1000)
    rest = hashlib.sha256(f"{SEED} {number} {milliseconds}".encode()).digest()
    bits = int.from_bytes(rest[:10])
    return UUID(
        int=milliseconds << 80
        | 7 << 76
        | (bits >> 68 & 0xFFF) << 64
        | 0b10 << 62
        | bits & (1 << 62) - 1
    )
