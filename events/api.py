"""The HTTP endpoints of events and reports."""

from typing import ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from events import schema
from events.ingest.decode import read_body
from events.ingest.service import ingest
from events.reports import run
from events.reports.parse import query_from_params
from events.reports.result import as_csv, as_json
from llmcost.api.schema import errors
from llmcost.errors import InvalidParameter, UnsupportedMediaType
from llmcost.tenancy.context import tenant
from projects.api import ProjectApi
from projects.models import Project, Scope


class EventsApi(ProjectApi):
    """POST /v1/events"""

    scope: ClassVar[str] = Scope.INGEST

    @extend_schema(
        operation_id="send_events",
        summary="Send events",
        description=(
            "Takes one event, an array, or an object with `events`; at most 10,000 events and "
            "8 MiB. Every valid event is committed before the answer; `event_id` makes a repeat "
            "harmless."
        ),
        request={"application/json": schema.EVENTS},
        responses={200: schema.OUTCOME, **errors(400, 401, 402, 403, 410, 413, 415, 429, 503)},
    )
    def post(self, request: Request) -> Response:
        """Take events."""
        body = _body(request)
        outcome = ingest(request.user.account_id, request.user.project_id, body)
        return Response(
            {
                "accepted": outcome.accepted,
                "duplicates": outcome.duplicates,
                "rejected": [
                    {
                        "index": one.index,
                        "code": one.code,
                        "field": one.field,
                        "message": one.message,
                    }
                    for one in outcome.rejected
                ],
                "warnings": [
                    {"code": "unknown_field", "field": name} for name in outcome.unknown_fields
                ],
            }
        )


class UsageApi(ProjectApi):
    """GET /v1/usage"""

    scope: ClassVar[str] = Scope.READ

    @extend_schema(
        operation_id="read_usage",
        summary="Read what calls cost",
        description=(
            "Sums over a span, exact at every moment: what `/v1/events` has acknowledged is in "
            "the very next answer."
        ),
        parameters=[OpenApiParameter(**one) for one in schema.USAGE_PARAMETERS],
        responses={200: schema.USAGE, **errors(400, 401, 403, 410, 429, 503)},
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer one question."""
        caller = request.user
        form = request.query_params.get("format", "json")
        if form not in ("json", "csv"):
            raise InvalidParameter("`format` must be json or csv.")
        with tenant(caller.account_id):
            project = Project.objects.get(account_id=caller.account_id, pk=caller.project_id)
            query = query_from_params(request.query_params, project)
            rows = run.usage(query)
        if form == "csv":
            return HttpResponse(as_csv(query, rows), content_type="text/csv; charset=utf-8")
        return Response(as_json(query, rows))


def _body(request: Request) -> bytes:
    http = request._request  # noqa: SLF001 - DRF has no public name for it
    kind = (http.content_type or "").lower()
    if kind not in ("application/json", ""):
        raise UnsupportedMediaType
    encoding = http.headers.get("Content-Encoding", "")
    if "chunked" in http.headers.get("Transfer-Encoding", "").lower():
        # Django reads as many bytes as Content-Length says: none here. Our server ends the stream
        # where the chunks end.
        return read_body(http.environ["wsgi.input"].read, length=None, encoding=encoding)
    return read_body(http.read, length=int(http.META.get("CONTENT_LENGTH") or 0), encoding=encoding)
