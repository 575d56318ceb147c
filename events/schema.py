"""The OpenAPI parts of the endpoints, made from the types that decode and answer."""

from typing import Any

import msgspec

from events.ingest.wire import Event
from events.reports.query import DIMENSIONS, INTERVALS
from events.reports.result import LATENCIES
from events.reports.run import MEASURES

_EVENT: dict[str, Any] = msgspec.json.schema(Event)["$defs"]["Event"]
EVENT = {
    "type": "object",
    "properties": {
        name: {**part, "nullable": True} if name not in _EVENT["required"] else part
        for name, part in _EVENT["properties"].items()
    },
    "required": _EVENT["required"],
}
EVENTS = {
    "oneOf": [
        EVENT,
        {"type": "array", "items": EVENT, "maxItems": 10_000},
        {"type": "object", "properties": {"events": {"type": "array", "items": EVENT}}},
    ]
}
_REJECTION = {
    "type": "object",
    "properties": {
        "index": {"type": "integer", "description": "Place in the request, from 0."},
        "code": {
            "type": "string",
            "enum": ["invalid_field", "content_not_accepted", "user_erased"],
        },
        "field": {"type": "string", "nullable": True},
        "message": {"type": "string"},
    },
}
OUTCOME = {
    "type": "object",
    "properties": {
        "accepted": {"type": "integer", "description": "New events, committed."},
        "duplicates": {"type": "integer", "description": "Events whose id was there already."},
        "rejected": {"type": "array", "items": _REJECTION},
        "warnings": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"code": {"type": "string"}, "field": {"type": "string"}},
            },
        },
    },
}
USAGE = {
    "type": "object",
    "properties": {
        "from": {"type": "string", "format": "date-time"},
        "to": {"type": "string", "format": "date-time"},
        "interval": {"type": "string", "nullable": True},
        "tz": {"type": "string"},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "start": {"type": "string", "format": "date-time", "nullable": True},
                    **{name: {"type": "string", "nullable": True} for name in DIMENSIONS},
                    **{name: {"type": "integer"} for name in MEASURES},
                    "cost_usd": {"type": "string", "description": "Decimal, in US dollars."},
                    **{name: {"type": "number", "nullable": True} for name in LATENCIES},
                },
            },
        },
    },
}
USAGE_PARAMETERS: list[dict[str, Any]] = [
    {"name": "from", "description": "Inclusive; RFC 3339 or a date. Default: 30 days ago."},
    {
        "name": "to",
        "description": "Exclusive; RFC 3339 or a date. Default: 24 hours ahead.",
    },
    {"name": "interval", "enum": list(INTERVALS), "description": "Left out: the whole span."},
    {"name": "group_by", "description": f"Any of {', '.join(DIMENSIONS)}, with commas."},
    *(
        {"name": f"filter.{name}", "many": True, "description": "Only these; empty: not set."}
        for name in DIMENSIONS
    ),
    {"name": "tz", "description": "IANA time zone; default: the project's."},
    {"name": "format", "enum": ["json", "csv"]},
]
