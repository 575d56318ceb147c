"""The base of every endpoint that speaks for a project, and the one that takes found keys."""

from datetime import UTC
from typing import Any, ClassVar

from allauth.account.adapter import get_adapter
from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from llmcost.api.schema import errors
from llmcost.api.throttle import take_turn
from llmcost.errors import TooLarge
from projects.keys import partners
from projects.leaks import close_leaked_keys, read_reports

EXPIRES_HEADER = "X-LLMC-Key-Expires"
# From one address, in one process; a partner sends many finds in one request.
REPORTS_PER_SECOND = 10


class ProjectApi(APIView):
    """An endpoint that speaks for the project of the key; `scope` says which right it takes."""

    scope: ClassVar[str]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Authenticate, check the scope, then take a turn of the key's rate limit."""
        super().initial(request, *args, **kwargs)
        expires_at = request.user.expires_at
        if expires_at is not None:
            # DRF puts these on the answer, also on that of an error.
            self.headers[EXPIRES_HEADER] = f"{expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        take_turn(request.user.key_id)


_REPORT = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "description": "What was found."},
        "type": {"type": "string", "description": "The reporter's name of the key's format."},
        "url": {"type": "string", "description": "Where; may be empty."},
        "source": {"type": "string", "description": "In what: content, commit, npm …"},
    },
}
_VERDICT = {
    "type": "object",
    "properties": {
        "token_hash": {"type": "string", "description": "SHA-256 of the token, in hex."},
        "token_type": {"type": "string"},
        "label": {"type": "string", "enum": ["true_positive", "false_positive"]},
    },
}


class LeakedKeysApi(APIView):
    """POST /v1/keys/leaked"""

    authentication_classes: ClassVar[list[type]] = []
    permission_classes: ClassVar[list[type]] = []

    @extend_schema(
        operation_id="report_leaked_keys",
        summary="Report keys found in public",
        description=(
            "For secret-scanning partners, in GitHub's form. Keys of ours are revoked at once and"
            " their owners told where they were found. The body is signed with ECDSA P-256 and"
            " SHA-256; nothing is read before the signature is verified."
        ),
        auth=[],
        parameters=[
            OpenApiParameter("GITHUB-PUBLIC-KEY-IDENTIFIER", str, "header", required=True),
            OpenApiParameter("GITHUB-PUBLIC-KEY-SIGNATURE", str, "header", required=True),
        ],
        request={"application/json": {"type": "array", "items": _REPORT, "maxItems": 10_000}},
        responses={
            200: {"type": "array", "items": _VERDICT},
            **errors(400, 401, 413, 429, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Close what was found."""
        http = request._request  # noqa: SLF001 - DRF has no public name for it
        take_turn(("leaked", get_adapter().get_client_ip(http)), REPORTS_PER_SECOND)
        body = http.read(settings.MAX_BODY_BYTES + 1)
        if len(body) > settings.MAX_BODY_BYTES:
            raise TooLarge
        partners.verify(
            body,
            identifier=http.headers.get("GITHUB-PUBLIC-KEY-IDENTIFIER", ""),
            signature=http.headers.get("GITHUB-PUBLIC-KEY-SIGNATURE", ""),
        )
        return Response(list(close_leaked_keys(read_reports(body))))


class KeyScheme(OpenApiAuthenticationExtension):
    """How the API's schema says that a key is wanted; found by being imported."""

    target_class = "projects.keys.auth.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return OpenAPI's words for a bearer token."""
        return {"type": "http", "scheme": "bearer"}
