"""The address to which Stripe announces changes: believed only when signed, kept as ids only.

dj-stripe's own view stores body, headers and address of every request, and before it has looked
at the signature. This one stores nothing that is not signed, and of that no content.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.models import InboxStatus, StripeEvent
from billing.stripe import client
from billing.stripe.kinds import kind_of

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 512 * 1024
TOLERANCE_SECONDS = 300
ID = re.compile(r"[A-Za-z0-9_]{1,255}")
TYPE = re.compile(r"[a-z0-9_.]{1,100}")
LAST_SECOND = 253_402_300_799  # of the year 9999


@csrf_exempt  # Stripe signs instead
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Keep that something has changed, commit, answer 200. The worker asks Stripe what it is."""
    body = request.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        return _refused("too_large", 413)
    if not is_signed(body, request.headers.get("Stripe-Signature", "")):
        return _refused("signature_invalid", 400)
    event = read(body)
    if event is None:
        return _refused("not_an_event", 400)
    if event.livemode != settings.STRIPE_LIVE_MODE:
        return _refused("wrong_mode", 400)
    with transaction.atomic():
        StripeEvent.objects.bulk_create([event], ignore_conflicts=True)
        transaction.on_commit(_wake, robust=True)
    return HttpResponse("ok", content_type="text/plain")


def is_signed(body: bytes, header: str) -> bool:
    """Whether one of our secrets has signed these bytes in the last minutes."""
    if not header.isascii():
        return False
    stripe = client.api()
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, tolerance=TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        return True
    return False


def read(body: bytes) -> StripeEvent | None:
    """Return what is kept of a signed body; None when it is no event of a known form."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    match event:
        case {
            "id": str(event_id),
            "type": str(event_type),
            "created": int(created),
            "livemode": bool(livemode),
            "data": {"object": dict(about)},
        } if ID.fullmatch(event_id) and TYPE.fullmatch(event_type) and 0 <= created <= LAST_SECOND:
            object_id = _id(about.get("id"))
            customer_id = object_id if about.get("object") == "customer" else None
            known = object_id and kind_of(event_type)
            return StripeEvent(
                event_id=event_id,
                type=event_type,
                object_id=object_id,
                customer_id=customer_id or _id(about.get("customer")),
                created=datetime.fromtimestamp(created, UTC),
                livemode=livemode,
                status=InboxStatus.WAITING if known else InboxStatus.IGNORED,
            )
    return None


def _id(value: Any) -> str:
    """Return the id of an object, whether it came bare or expanded; empty if it is none."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and ID.fullmatch(value) else ""


def _refused(reason: str, status: int) -> HttpResponse:
    logger.warning("webhook_refused", extra={"reason": reason})
    return HttpResponse(reason, status=status, content_type="text/plain")


def _wake() -> None:
    """Have it fetched at once; the sweeper of each minute finds it if this is lost."""
    current_app.send_task("billing.tasks.work_inbox", retry=False)
