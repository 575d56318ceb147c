"""Mail that a mail service delivers by webhook."""

import hashlib
import hmac
import time

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from llmcost.errors import NotFound, TooLarge
from privacy.correspondence.mail import MAX_BYTES
from privacy.correspondence.services import receive_mail
from privacy.errors import SignatureInvalid
from privacy.models import Topic

HEADER = "LLMCost-Signature"
MAX_AGE_SECONDS = 300


class InboundMailApi(APIView):
    """POST /v1/inbound-mail"""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="deliver_mail",
        summary="Deliver a mail to us",
        description=(
            "For the operator's mail service. The body is the mail (RFC 5322), `LLMCost-Signature:"
            " t=<seconds>,v1=<hex>` the HMAC-SHA256 of `<seconds>.<body>` with"
            " `INBOUND_MAIL_SECRET`. A repeat changes nothing."
        ),
        request={"message/rfc822": {"type": "string", "format": "binary"}},
        responses={200: {"type": "object", "properties": {"kept": {"type": "boolean"}}}},
    )
    def post(self, request: Request) -> HttpResponse:
        """Take one mail."""
        if not settings.INBOUND_MAIL_SECRET:
            raise NotFound
        http = request._request  # noqa: SLF001 - DRF has no public name for it
        body = http.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise TooLarge
        _check_signature(request.headers.get(HEADER, ""), body)
        return Response({"kept": receive_mail(body, topic=Topic.PRIVACY) is not None})


def _check_signature(header: str, body: bytes) -> None:
    """Raise SignatureInvalid unless whoever knows the secret signed this just now."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    at, given = parts.get("t", ""), parts.get("v1", "")
    wanted = hmac.new(
        settings.INBOUND_MAIL_SECRET.encode(), at.encode() + b"." + body, hashlib.sha256
    ).hexdigest()
    is_signed = hmac.compare_digest(wanted.encode(), given.encode())
    is_now = at.isascii() and at.isdecimal() and abs(time.time() - int(at)) <= MAX_AGE_SECONDS
    if not (is_signed and is_now):
        raise SignatureInvalid
