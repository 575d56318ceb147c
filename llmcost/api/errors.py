"""Every failure of an API view as the one error body, whatever raised it."""

from typing import Any

from django.http import Http404, HttpResponse
from rest_framework import exceptions

from llmcost import errors


def answer(exception: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's EXCEPTION_HANDLER. What it does not know becomes Django's 500, as JSON too."""
    known = _as_app_error(exception)
    if known is None:
        return None
    http = context["request"]._request  # noqa: SLF001 - DRF has no public name for it
    return errors.json_answer(http, known)


def _as_app_error(exception: Exception) -> errors.AppError | None:
    match exception:
        case errors.AppError():
            return exception
        case exceptions.MethodNotAllowed():
            return errors.MethodNotAllowed()
        case Http404() | exceptions.NotFound():
            return errors.NotFound()
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return errors.InvalidKey()
        case exceptions.UnsupportedMediaType():
            return errors.UnsupportedMediaType()
        case exceptions.ParseError():
            return errors.MalformedJson()
    return errors.Unavailable() if errors.is_database_down(exception) else None
