"""The wire form of an event: the contract's table as a type, and what falls outside it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

MAX_INTEGER = 2**31 - 1

Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Text200 = Annotated[str, Meta(max_length=200)]
Aware = Annotated[datetime, Meta(tz=True)]


class Event(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One LLM call as sent; every field of the contract and no other.

    Token classes are parts of the totals (OpenTelemetry GenAI counts so). None means not sent.
    """

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    input_tokens: Count
    output_tokens: Count
    event_id: UUID | None = None
    created_at: Aware | float | None = None
    provider: Annotated[str, Meta(max_length=64)] | None = None
    cached_input_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_write_1h_tokens: Count | None = None
    input_audio_tokens: Count | None = None
    cached_audio_tokens: Count | None = None
    input_image_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    output_audio_tokens: Count | None = None
    output_image_tokens: Count | None = None
    web_search_requests: Count | None = None
    service_tier: Literal["standard", "batch", "flex", "priority", "fast"] | None = None
    status: Literal["ok", "error", "aborted"] | None = None  # None is ok
    cost_usd: Decimal | None = None
    latency_ms: Count | None = None
    feature: Text200 | None = None
    user_id: Text200 | None = None
    prompt_version: Text200 | None = None


class Call(Event, kw_only=True, gc=False):
    """An event that passed every check: id, time and status are there, the cost has ten places."""

    event_id: UUID
    created_at: datetime
    status: Literal["ok", "error", "aborted"]


FIELDS: dict[str, Any] = {
    name: hint for name, hint in Event.__annotations__.items() if not name.startswith("_")
}
REQUIRED = ("model", "input_tokens", "output_tokens")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


# Every accepted spelling of a field.
SPELLINGS = {spelling: name for name in FIELDS for spelling in (name, _camel(name))}

# Names under which programs send what was said. An event with one of them is refused whole, so
# that nobody believes it was stored. Compared in lower case without `_`, `-` and `.`.
CONTENT_NAMES = frozenset(
    """
    answer answers arguments attachments audio body choices completion completions content contents
    conversation data document documents embedding embeddings file files functioncall
    generatedtext generation history image images input inputaudio inputs inputtext instruction
    instructions message messages output outputs outputtext parts payload prompt prompts query
    question rawrequest rawresponse reasoning reasoningcontent request requestbody response
    responsebody responses resulttext systeminstruction systeminstructions systemprompt text texts
    thinking toolcalls toolresults tools transcript userprompt usermessage
    """.split()  # noqa: SIM905 - sixty short words read better so
)

# What is said when a value does not fit, by field.
_WHOLE = f"must be an integer from 0 to {MAX_INTEGER:,}"
_TEXT = "must be a string of at most 200 characters"
MESSAGES: dict[str, str] = {
    **dict.fromkeys(FIELDS, _WHOLE),
    **dict.fromkeys(("feature", "user_id", "prompt_version"), _TEXT),
    "model": "must be a string of 1 to 200 characters",
    "provider": "must be a string of at most 64 characters",
    "event_id": "must be a UUID in its usual form",
    "created_at": (
        "must be RFC 3339 with an offset, or epoch seconds or milliseconds, "
        "from 2015-01-01 to 24 hours ahead"
    ),
    "service_tier": "must be one of standard, batch, flex, priority, fast",
    "status": "must be one of ok, error, aborted",
    "cost_usd": "must be a decimal number from 0 to below 10,000,000,000, as number or string",
}
CONTROL_CHARACTERS = "must not contain control characters"
CONTENT = (
    "carries content; prompts and answers never leave your side: send counts only, without this "
    "field"
)
