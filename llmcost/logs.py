"""Log lines: a constant event name and ids as fields, never a value that somebody sent.

In production a line is JSON; on a terminal it is readable. Each request has an id that stands in
the answer's body (errors), in its `X-Request-Id` header and in every line logged meanwhile.
"""

import logging.config
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import structlog
import uuid_utils
from django.http import HttpRequest, HttpResponse

# A key in a log is a leaked key: whatever looks like one is cut before the line is written.
KEY_SHAPE = re.compile(r"(llmc_(?:live|test)_)[0-9A-Za-z]+")

# The attribute of a request that holds its id.
REQUEST_ID = "request_id"

logger = logging.getLogger("llmcost.requests")


def logging_config(*, json: bool) -> dict[str, Any]:
    """Return the dictConfig for all processes; `json` for machines, else for a terminal."""
    last: Any = structlog.processors.JSONRenderer() if json else _plain
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _cut_keys,
                    last,
                ],
                "foreign_pre_chain": [
                    _without_address,
                    structlog.contextvars.merge_contextvars,
                    structlog.stdlib.add_log_level,
                    structlog.stdlib.add_logger_name,
                    structlog.stdlib.ExtraAdder(),
                    _without_doubles,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    _where_it_failed,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # Refused requests are in our own line; failed ones come here with their traceback.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # psycopg's and Django's error texts can quote a statement's values.
            "django.db.backends": {"level": "CRITICAL"},
            # Stripe's client quotes what it was answered; dj-stripe, what failed with that.
            "stripe": {"level": "CRITICAL"},
            "djstripe": {"level": "CRITICAL"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """Apply the dictConfig (Django's LOGGING_CONFIG hook, without Django's own defaults)."""
    logging.config.dictConfig(config)


def _without_address(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Django names the address of a request that failed, which can hold somebody's values."""
    record: logging.LogRecord = event["_record"]
    if record.name == "django.request":
        record.__dict__.pop("request", None)
        event["event"] = "request_failed"
    return event


def _without_doubles(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    event.pop("message", None)  # left on the record by another handler; it is the event itself
    return event


def _cut_keys(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    return {
        field: KEY_SHAPE.sub(r"\1…", value) if isinstance(value, str) else value
        for field, value in event.items()
    }


def _where_it_failed(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Say where and with which kind of exception, never with which text: it can quote values."""
    caught = event.pop("exc_info", None)
    caught = sys.exc_info() if caught is True else caught
    exception = caught[1] if isinstance(caught, tuple) else caught
    if not isinstance(exception, BaseException):
        return event
    lines = traceback.format_list(traceback.extract_tb(exception.__traceback__))
    kinds: list[str] = []
    cause: BaseException | None = exception
    while cause is not None and len(kinds) < 5:
        state = getattr(cause, "sqlstate", None)
        kinds.append(f"{type(cause).__qualname__}[{state}]" if state else type(cause).__qualname__)
        cause = cause.__cause__ or cause.__context__
    event["exception"] = "".join(lines) + " <- ".join(kinds)
    return event


def _plain(_logger: Any, _name: str, event: dict[str, Any]) -> str:
    at = event.pop("timestamp", "")[11:19]
    level, name = event.pop("level", "info"), event.pop("event", "")
    event.pop("logger", None)
    trace = event.pop("exception", None)
    fields = " ".join(f"{key}={value}" for key, value in event.items() if not key.startswith("_"))
    line = f"{at} {level:<7} {name} {fields}".rstrip()
    return f"{line}\n{trace}" if trace else line


class RequestIdMiddleware:
    """Give each request its id, and log one line for it: method, route, status, milliseconds.

    The route (`/app/<slug:project>/`), not the path, and no query: both can carry a user's values.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        request_id = f"req_{uuid_utils.uuid7().hex}"
        setattr(request, REQUEST_ID, request_id)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        match = request.resolver_match
        logger.info(
            "request",
            extra={
                "method": request.method if request.method in _METHODS else "?",
                "route": f"/{match.route}" if match else "?",
                "status": response.status_code,
                "ms": round((time.perf_counter() - began) * 1000, 1),
            },
        )
        return response


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
