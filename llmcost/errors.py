"""Failures we expect, and the two places where any failure becomes an answer (API, page).

Nothing here shows `str(exc)` of a foreign error: it may quote what somebody sent.
"""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

RETRY_AFTER_SECONDS = 2


class AppError(Exception):
    """A failure we expect. `code` is part of the public contract and never changes.

    The API renders {"error": {code, message, request_id}}; a page renders the message.
    Anything that is not an AppError is a bug and becomes a 500.
    """

    code = "internal"
    status = 500
    message = "Something went wrong on our side. The request id helps us to find it."
    headers: dict[str, str] = {}
    # What a program may want to read beside the message; stands in the error's body.
    details: dict[str, object] = {}

    def __init__(self, message: str | None = None) -> None:
        self.message = message or self.message
        super().__init__(self.message)


class NotFound(AppError):
    code, status = "not_found", 404
    message = "There is nothing at this address, or it is not yours."


class MethodNotAllowed(AppError):
    code, status = "method_not_allowed", 405
    message = "This address does not take that method."


class MalformedJson(AppError):
    code, status = "malformed_json", 400
    message = "The body is not JSON in UTF-8."


class InvalidParameter(AppError):
    code, status = "invalid_parameter", 400
    message = "A parameter is not valid."


class InvalidKey(AppError):
    code, status = "invalid_key", 401
    message = (
        "The key is missing, unknown, expired or revoked. Send it as `Authorization: Bearer KEY`."
    )
    headers = {"WWW-Authenticate": "Bearer"}


class AccountTerminated(AppError):
    code, status = "account_terminated", 410
    message = (
        "The account of this key is closed. Nothing was stored, and sending it again does not help;"
        " the account's owner can reopen it."
    )


class ProjectArchived(AppError):
    code, status = "project_archived", 403
    message = (
        "The project of this key is archived and takes in nothing. Nothing was stored; a member of"
        " the account can bring the project back in its settings."
    )


class MissingScope(AppError):
    code, status = "missing_scope", 403

    def __init__(self, scope: str) -> None:
        super().__init__(f"This key lacks the scope `{scope}`.")


class TooLarge(AppError):
    code, status = "too_large", 413
    message = "A request takes at most 10,000 events and 8 MiB, measured after decompression."


class UnsupportedMediaType(AppError):
    code, status = "unsupported_media_type", 415
    message = "Send `Content-Type: application/json`, plain or with `Content-Encoding: gzip`."


class RateLimited(AppError):
    code, status = "rate_limited", 429
    message = "Too many requests. Wait for the seconds in `Retry-After`."

    def __init__(self, wait_seconds: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(wait_seconds)}


class Unavailable(AppError):
    code, status = "unavailable", 503
    message = "The database cannot be reached. Nothing was stored; it is safe to send this again."
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}


# --- As an answer ----------------------------------------------------------------------------
def json_answer(request: HttpRequest, error: AppError) -> JsonResponse:
    """Render an error as the API's one error body, with its status and headers."""
    body = {
        "code": error.code,
        "message": error.message,
        "request_id": getattr(request, "request_id", None),
        **error.details,
    }
    return JsonResponse({"error": body}, status=error.status, headers=error.headers)


def page_answer(request: HttpRequest, error: AppError) -> HttpResponse:
    """Render an error as a page that needs no database."""
    page = {"error": error, "request_id": getattr(request, "request_id", None)}
    response = render(request, "errors/error.html", page, status=error.status)
    for name, value in error.headers.items():
        response[name] = value
    return response


def answer(request: HttpRequest, error: AppError) -> HttpResponse:
    """Render an error the way the caller reads: JSON below /v1/ and /api/, else a page."""
    is_api = request.path_info.startswith(("/v1/", "/api/"))
    return json_answer(request, error) if is_api else page_answer(request, error)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return answer(request, NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, called while the exception is being handled.

    A database that is away, full or out of connections is no bug: 503, safe to repeat.
    """
    exception = sys.exc_info()[1]
    down = exception is not None and is_database_down(exception)
    return answer(request, Unavailable() if down else AppError())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: a host we do not serve, a query that is too long."""
    return answer(request, InvalidParameter("The request is not one that this server takes."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403: what one may not see looks as if it were not there."""
    return answer(request, NotFound())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Explain a form that came without its token; Django's CSRF_FAILURE_VIEW."""
    error = AppError("This form has expired or cookies are off. Go back, reload it, send it again.")
    error.code, error.status = "csrf_failed", 403
    return answer(request, error)


def sqlstate(exception: BaseException) -> str | None:
    """Return the five-character code of a database error, which carries no value of a row."""
    return getattr(exception.__cause__ or exception, "sqlstate", None)


def is_database_down(exception: BaseException) -> bool:
    """Say whether the database failed, rather than our statement.

    OperationalError covers lost and refused connections (class 08, 57P0x), a full disk (53100),
    too many connections (53300), lock and statement timeouts (55P03, 57014) and deadlocks.
    """
    return isinstance(exception, OperationalError | InterfaceError)
