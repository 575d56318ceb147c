"""The OpenAPI parts that all endpoints share: the one error body and what each status means."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("code", "message", "request_id")},
        }
    },
}
_MEANINGS = {
    400: "malformed_json, invalid_parameter",
    401: "invalid_key; invalid_signature",
    402: "quota_exceeded, with used, included and resets_at",
    403: "missing_scope",
    410: "account_terminated",
    404: "not_found",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited, with Retry-After",
    503: "unavailable; safe to retry",
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """Return the error answers of an endpoint, each with its code."""
    return {
        status: OpenApiResponse(response=_ERROR, description=_MEANINGS[status])
        for status in statuses
    }
