"""From an event's bytes to an event that may be stored, or to the reason why it may not.

Nearly every batch passes through one call into msgspec. One that it refuses is taken apart, and
an event that it refuses, or any of a batch whose bytes hold something that msgspec would let
through, is looked at field by field, so that the answer can name the field and the rule. No
message repeats a value.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, cast

import msgspec

from events.ingest import erased_users, identity
from events.ingest.decode import split_events, split_fields, whole_batch
from events.ingest.wire import (
    CONTENT,
    CONTENT_NAMES,
    CONTROL_CHARACTERS,
    FIELDS,
    MESSAGES,
    REQUIRED,
    SPELLINGS,
    Call,
    Event,
)
from events.pricing.cost import PLACES

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
AHEAD = timedelta(hours=24)
COST_LIMIT = Decimal(10) ** 10
# Epoch numbers from here on are milliseconds: as seconds this is the year 5138.
MILLISECONDS_FROM = 1e11
MAX_WARNINGS = 100

# A cost as a string: what Decimal() takes besides ("1_000", "١٢", " 1", "NaN") is no number here.
_COST_TEXT = r"\d{1,10}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?"
_STRICT_COST = re.compile(_COST_TEXT, re.ASCII)
# Bytes that call for the careful path: escapes (control characters, disguised names), raw control
# characters that JSON allows (DEL and C1), and costs as strings of an unusual form. Apart, because
# each begins with one byte that is found at the speed of memory.
_ESCAPE = re.compile(rb"\\[ubfnrt]")
_DEL = b"\x7f"
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_COST = b'"cost'
_ODD_COST = re.compile(rb'"cost(?:_usd|Usd)"\s*:\s*"(?!' + _COST_TEXT.encode() + rb'")')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_STRIP_NAME = str.maketrans("", "", "_-.")
_TEXTS = ("model", "provider", "feature", "user_id", "prompt_version")

_decode = msgspec.json.Decoder(Event).decode
_decode_field = {
    name: msgspec.json.Decoder(
        str | float if name == "cost_usd" else hint  # exact digits are read by `_cost` below
    ).decode
    for name, hint in FIELDS.items()
}

# Which counts are parts of which: (whole, parts, what to do about it).
_PARTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "input_tokens",
        ("cached_input_tokens", "cache_write_tokens"),
        (
            "must contain cached_input_tokens + cache_write_tokens; Anthropic and Bedrock count "
            "them apart: send input_tokens + cache_read + cache_creation as input_tokens"
        ),
    ),
    ("cache_write_tokens", ("cache_write_1h_tokens",), "must contain cache_write_1h_tokens"),
    ("input_tokens", ("input_audio_tokens",), "must contain input_audio_tokens"),
    ("input_tokens", ("input_image_tokens",), "must contain input_image_tokens"),
    ("cached_input_tokens", ("cached_audio_tokens",), "must contain cached_audio_tokens"),
    ("output_tokens", ("reasoning_tokens",), "must contain reasoning_tokens"),
    ("output_tokens", ("output_audio_tokens",), "must contain output_audio_tokens"),
    ("output_tokens", ("output_image_tokens",), "must contain output_image_tokens"),
)
_parts_of = attrgetter(*(part for _, parts, _ in _PARTS for part in parts))


class Rejection(msgspec.Struct, frozen=True):
    """Why one event was not taken; `index` is its place in the request, from 0."""

    index: int
    code: str
    field: str | None
    message: str


@dataclass(slots=True)
class Batch:
    """What became of a request's events."""

    events: list[Call] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)


class _Refused(Exception):
    """Ends the look at one event; carries a code and a field of ours, never a value."""

    def __init__(self, code: str, name: str | None, message: str) -> None:
        self.code, self.name, self.message = code, name, message


def validate(body: bytes, now: datetime, is_erased: Callable[[str], bool] | None = None) -> Batch:
    """Check each event by itself; times and ids that are missing are filled in.

    `is_erased` tells the user ids whose calls are not taken any more, if there are any.
    Raises MalformedJson or TooLarge for the request as a whole.
    """
    batch = Batch()
    latest = now + AHEAD
    limits = _Limits(now, latest, int(latest.timestamp() * 1000))
    careful = _calls_for_care(body)
    events: Sequence[Event | msgspec.Raw] | None = None if careful else whole_batch(body)
    for index, sent in enumerate(split_events(body) if events is None else events):
        try:
            event = sent if isinstance(sent, Event) else _read(sent, batch, careful=careful)
            call = _settle(event, limits)
            if is_erased is not None:
                _refuse_erased(call, is_erased)
            batch.events.append(call)
        except _Refused as refused:
            batch.rejected.append(Rejection(index, refused.code, refused.name, refused.message))
    return batch


def _refuse_erased(call: Call, is_erased: Callable[[str], bool]) -> None:
    if call.user_id is not None and is_erased(call.user_id):
        raise _Refused(erased_users.CODE, "user_id", erased_users.MESSAGE)


def _calls_for_care(body: bytes) -> bool:
    return (
        _DEL in body
        or _ESCAPE.search(body) is not None
        or _C1.search(body) is not None
        or (_COST in body and _ODD_COST.search(body) is not None)
    )


def _read(raw: msgspec.Raw, batch: Batch, *, careful: bool) -> Event:
    if not careful:
        try:
            return _decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # whatever it is, the careful path says it better
    return _field_by_field(raw, batch)


@dataclass(frozen=True, slots=True)
class _Limits:
    """The moment of receipt, the latest time that an event may have, and that in milliseconds."""

    now: datetime
    latest: datetime
    latest_ms: int


def _settle(event: Event, limits: _Limits) -> Call:
    """Apply the rules between fields and fill in id and time. Raises _Refused."""
    own_time = None
    if event.event_id is None:
        event.event_id = identity.new_id()
    else:
        own_time = identity.milliseconds(event.event_id)
        # Such an id belongs to a month that has not come; taken now, its repeat would not meet it.
        if own_time is not None and own_time > limits.latest_ms:
            raise _Refused(
                "invalid_field", "event_id", "is a UUIDv7 whose time lies over 24 hours ahead"
            )
    at = event.created_at
    if at is None:
        at = limits.now if own_time is None else _from_epoch(own_time / 1000)
    elif not isinstance(at, datetime):
        at = _from_epoch(at / 1000 if abs(at) >= MILLISECONDS_FROM else at)
    if not EARLIEST <= at <= limits.latest:
        raise _Refused("invalid_field", "created_at", MESSAGES["created_at"])
    if at.tzinfo is not UTC or at is not event.created_at:
        event.created_at = at.astimezone(UTC)
    if event.cost_usd is not None:
        event.cost_usd = _money(event.cost_usd)
    if any(_parts_of(event)):
        _check_parts(event)
    if event.feature is not None:
        event.feature = _label(event.feature)
    if event.prompt_version is not None:
        event.prompt_version = _label(event.prompt_version)
    if event.status is None:
        event.status = "ok"
    # An empty name is none; only one that was sent can be empty.
    if event.user_id == "":
        event.user_id = None
    if event.provider == "":
        event.provider = None
    return cast("Call", event)


def _money(cost: Decimal) -> Decimal:
    """Return a cost at ten places. The limit counts before and after rounding. Raises _Refused."""
    if cost.is_finite() and 0 <= cost < COST_LIMIT:
        rounded = abs(cost.quantize(PLACES))  # abs: -0.0 is no amount
        if rounded < COST_LIMIT:
            return rounded
    raise _Refused("invalid_field", "cost_usd", MESSAGES["cost_usd"])


def _check_parts(event: Event) -> None:
    for whole, parts, message in _PARTS:
        held = 0
        for part in parts:
            held += getattr(event, part) or 0
        if held and held > (getattr(event, whole) or 0):
            raise _Refused("invalid_field", whole, message)


def _from_epoch(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise _Refused("invalid_field", "created_at", MESSAGES["created_at"]) from None


def _label(text: str) -> str | None:
    """One spelling for labels that look alike (NFC); an empty label is none."""
    return (text if text.isascii() else unicodedata.normalize("NFC", text)) or None


def _field_by_field(raw: msgspec.Raw, batch: Batch) -> Event:
    """Read one event with care, naming the first field that is wrong. Raises _Refused."""
    try:
        sent = split_fields(bytes(raw))
    except ValueError:
        raise _Refused(
            "invalid_field", None, "must be a JSON object with an event's fields"
        ) from None
    values: dict[str, Any] = {}
    unknown = set()
    for spelling, value in sent.items():
        name = SPELLINGS.get(spelling)
        if name is not None:
            values[name] = _value(name, value)
        elif spelling.lower().translate(_STRIP_NAME) in CONTENT_NAMES:
            raise _Refused("content_not_accepted", _shown(spelling), CONTENT)
        else:
            unknown.add(_shown(spelling))
    for name in REQUIRED:
        if values.get(name) is None:
            raise _Refused("invalid_field", name, f"is required and {MESSAGES[name]}")
    if len(batch.unknown_fields) < MAX_WARNINGS:
        batch.unknown_fields |= unknown
    return Event(**{name: value for name, value in values.items() if value is not None})


def _value(name: str, raw: msgspec.Raw) -> Any:
    try:
        value = _decode_field[name](raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _Refused("invalid_field", name, MESSAGES[name]) from None
    if name == "cost_usd" and value is not None:
        text = value if isinstance(value, str) else bytes(raw).decode().strip()
        if not _STRICT_COST.fullmatch(text):
            raise _Refused("invalid_field", name, MESSAGES[name])
        return Decimal(text)
    if name in _TEXTS and value is not None and _CONTROL.search(value):
        raise _Refused("invalid_field", name, CONTROL_CHARACTERS)
    return value


def _shown(name: str) -> str:
    """Return a field's name if it is one; a name can be prompt text too, and is then not told."""
    return name if _SAFE_NAME.fullmatch(name) else "?"
