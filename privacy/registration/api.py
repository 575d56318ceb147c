"""Where installations register, and where their news ends."""

from typing import ClassVar

from allauth.core.internal.ratelimit import consume
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from llmcost.api.schema import errors
from llmcost.errors import NotFound, RateLimited, TooLarge
from privacy.registration import PLANS
from privacy.registration.receiving import end_news, read_wanted, register, registration_of

MOST_BYTES = 4 * 1024
# By network address; and by e-mail address, because each registration mails it.
LIMITS = {"register": "10/h/ip,3/d/key"}
WAIT_SECONDS = 3_600

_WANTED = {
    "type": "object",
    "required": ["email", "plan"],
    "additionalProperties": False,
    "properties": {
        "email": {"type": "string", "format": "email"},
        "plan": {"type": "string", "enum": list(PLANS)},
    },
}
_LICENCE = {
    "type": "object",
    "properties": {
        "licence": {"type": "string", "format": "uuid"},
        "plan": {"type": "string"},
        "registered_at": {"type": "string", "format": "date-time"},
    },
}


class RegistrationsApi(APIView):
    """POST /v1/registrations"""

    authentication_classes: ClassVar[list[type]] = []
    permission_classes: ClassVar[list[type]] = []

    @extend_schema(
        operation_id="register_installation",
        summary="Register an installation of one's own",
        description=(
            "By choice, for a licence and news of updates. E-mail and plan are kept, nothing else;"
            " another field is refused. Only the service itself has this address."
        ),
        auth=[],
        request={"application/json": _WANTED},
        responses={201: _LICENCE, **errors(400, 413, 429, 503)},
    )
    def post(self, request: Request) -> Response:
        """Take a registration."""
        if settings.SELF_HOSTED:
            raise NotFound
        http = request._request  # noqa: SLF001 - DRF has no public name for it
        body = http.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise TooLarge("A registration is an e-mail address and a plan.")
        wanted = read_wanted(body)
        if not consume(
            http, app="privacy", action="register", config=LIMITS, key=wanted.email.lower()
        ):
            raise RateLimited(WAIT_SECONDS)
        made = register(wanted)
        return Response(
            {"licence": str(made.pk), "plan": made.plan, "registered_at": made.registered_at},
            status=201,
        )


@csrf_exempt  # mail programs post here by themselves (RFC 8058); the link itself is the right
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def news(request: HttpRequest, token: str) -> HttpResponse:
    """GET, POST /registrations/<token>/news/: a page that asks, because programs follow links."""
    registration = registration_of(token)
    if request.method == "POST":
        end_news(registration)
        registration.refresh_from_db()
    # No redirect, also after POST: RFC 8058 forbids it, because mail programs do not follow.
    return render(request, "privacy/news.html", {"registration": registration, "token": token})
