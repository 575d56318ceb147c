"""From the bytes of a request to its events, within hard limits.

All at once where every event has its form, else each still as bytes.
"""

import json
import re
import zlib
from collections.abc import Callable

import msgspec
from django.conf import settings

from events.ingest.wire import Event
from llmcost.errors import MalformedJson, TooLarge, UnsupportedMediaType

_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FIRST_SIGN = re.compile(rb"[ \t\r\n]*(.)", re.DOTALL)
_NOT_FOR_MSGSPEC = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Body = bytes
Read = Callable[[int], bytes]


class _Envelope(msgspec.Struct, gc=False):
    """A body with `events`; whatever else stands beside them is looked at elsewhere or not."""

    events: list[Event]


_EVENTS = msgspec.json.Decoder(list[Event])
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_EVENT = msgspec.json.Decoder(Event)


def read_body(read: Read, *, length: int | None, encoding: str) -> Body:
    """Return the decompressed body; `read(n)` gives up to n more bytes, b"" at the end.

    Raises TooLarge as soon as more than 8 MiB have come out (a bomb is never inflated whole),
    MalformedJson for a broken or cut gzip stream, UnsupportedMediaType for other encodings.
    """
    limit = settings.MAX_BODY_BYTES
    if length is not None and length > limit:
        raise TooLarge
    raw = _read_up_to(read, limit)
    match encoding.strip().lower():
        case "" | "identity":
            return raw
        case "gzip" | "x-gzip":
            return _gunzip(raw, limit)
    raise UnsupportedMediaType


def _read_up_to(read: Read, limit: int) -> bytes:
    chunks, size = [], 0
    while chunk := read(min(1 << 16, limit + 1 - size)):
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise TooLarge
    return b"".join(chunks)


def _gunzip(raw: bytes, limit: int) -> bytes:
    parts, size = [], 0
    while raw:  # a gzip file may be several members, one behind the other
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(raw, limit + 1 - size)
        except zlib.error:
            raise MalformedJson("The body is not a whole gzip stream.") from None
        size += len(part)
        if size > limit:
            raise TooLarge
        if not member.eof:
            raise MalformedJson("The body is not a whole gzip stream.")
        parts.append(part)
        raw = member.unused_data
    return b"".join(parts)


def whole_batch(body: bytes) -> list[Event] | None:
    """Return all events of a body in one step, or None unless every single one has its form.

    Nearly every body passes here; any other is split, so that one bad event spoils no other.
    """
    try:
        events = _whole_batch(body)
    except _NOT_FOR_MSGSPEC:
        return None
    if len(events) > settings.MAX_EVENTS:
        raise TooLarge
    return events


def _whole_batch(body: bytes) -> list[Event]:
    if not _is_object(body):
        return _EVENTS.decode(body)
    try:
        return _ENVELOPE.decode(body).events
    except msgspec.ValidationError:
        return [_EVENT.decode(body)]


def split_events(body: bytes) -> list[msgspec.Raw]:
    """Return the events of a body, each still as bytes, so that one bad event spoils no other.

    Takes one event, an array, or an object with `events`. Raises MalformedJson, or TooLarge for
    more than 10,000 events.
    """
    try:
        events = _split(body)
    except RecursionError:
        raise MalformedJson("The body is nested too deeply.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        events = _split_leniently(body)
    if len(events) > settings.MAX_EVENTS:
        raise TooLarge
    return events


def split_fields(event: bytes) -> dict[str, msgspec.Raw]:
    """Return an event's fields as bytes; where msgspec gives up, by the lenient reader.

    Raises ValueError if the event is no JSON object.
    """
    try:
        return _OBJECT.decode(event)
    except _NOT_FOR_MSGSPEC:
        pass
    try:
        members, _ = _members(event.decode(), 0)
    except (IndexError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError from error
    return {name: msgspec.Raw(value.encode()) for name, value in members.items()}


def _split(body: bytes) -> list[msgspec.Raw]:
    if not _is_object(body):
        return _LIST.decode(body)
    whole = _OBJECT.decode(body)
    return _LIST.decode(whole["events"]) if "events" in whole else [msgspec.Raw(body)]


def _is_object(body: bytes) -> bool:
    start = _FIRST_SIGN.match(body)
    return start is not None and start[1] == b"{"


# --- The lenient reader ----------------------------------------------------------------------
# One bad event must not spoil the batch, but msgspec cannot step over a lone surrogate, `NaN` or
# `Infinity`. The standard library's scanner can; its values are not used, only where they end.
_scan = json.JSONDecoder(parse_int=len, parse_float=len).raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")
_NOT_JSON = 'The body must be JSON in UTF-8: one event, an array of events, or {"events": [...]}.'


def _split_leniently(body: bytes) -> list[msgspec.Raw]:
    try:
        text = body.decode()
        at = _skip(text, 0)
        if text[at] == "{":
            members, end = _members(text, at)
            if "events" in members:
                events, _ = _elements(members["events"], 0)
            else:
                events = [text[at:end]]
        else:
            events, end = _elements(text, at)
        _expect_end(text, end)
    except (ValueError, IndexError, RecursionError):
        raise MalformedJson(_NOT_JSON) from None
    return [msgspec.Raw(event.encode()) for event in events]


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _elements(text: str, at: int) -> tuple[list[str], int]:
    """Cut an array into its elements; return them and where the array ends."""
    if text[at] != "[":
        raise ValueError
    found: list[str] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        if found:
            at = _skip(text, _expect(text, at, ","))
        _, end = _scan(text, at)
        found.append(text[at:end])
        at = _skip(text, end)
    return found, at + 1


def _members(text: str, at: int) -> tuple[dict[str, str], int]:
    """Cut an object into its members; return them and where the object ends."""
    at = _skip(text, at)
    if text[at] != "{":
        raise ValueError
    found: dict[str, str] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        if found:
            at = _skip(text, _expect(text, at, ","))
        name, end = _scan(text, _expect(text, at, '"') - 1)
        at = _skip(text, _expect(text, _skip(text, end), ":"))
        _, end = _scan(text, at)
        found[name] = text[at:end]
        at = _skip(text, end)
    return found, at + 1


def _expect_end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise ValueError


def _expect(text: str, at: int, sign: str) -> int:
    if text[at] != sign:
        raise ValueError
    return at + 1
