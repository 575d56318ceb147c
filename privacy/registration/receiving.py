"""Our side: keep e-mail and plan of an installation, and let the news be ended with one click."""

from uuid import UUID

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.core.validators import MaxLengthValidator, validate_email
from django.db import transaction
from django.urls import reverse

from llmcost import outbox
from llmcost.errors import InvalidParameter, MalformedJson, NotFound
from privacy.models import Registration
from privacy.registration import PLANS

# Signed with the secret key, so that the link needs no column.
_SIGNER = Signer(salt="registration.news")


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """All that is taken."""

    email: str
    plan: str


_DECODER = msgspec.json.Decoder(Wanted)


def read_wanted(body: bytes) -> Wanted:
    """Return what a body asks for. Raises MalformedJson, InvalidParameter."""
    try:
        wanted = _DECODER.decode(body)
    except msgspec.ValidationError:
        raise InvalidParameter("Send `email` and `plan`, and nothing else.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedJson from None
    try:
        validate_email(wanted.email)
        MaxLengthValidator(254)(wanted.email)
    except ValidationError:
        raise InvalidParameter("`email` is not an e-mail address.") from None
    if wanted.plan not in PLANS:
        raise InvalidParameter(f"`plan` must be one of {', '.join(PLANS)}.")
    return wanted


@transaction.atomic
def register(wanted: Wanted) -> Registration:
    """Keep it, and confirm it by mail.

    Each time a new row, whether or not the address is known, so that nobody learns who is.
    """
    registration = Registration.objects.create(email=wanted.email.lower(), plan=wanted.plan)
    registration.refresh_from_db()
    page = settings.PUBLIC_URL + reverse("privacy:news", args=[_SIGNER.sign(registration.pk)])
    outbox.post(
        "privacy/email/registered",
        registration.email or "",
        {"registration": registration, "news_url": page},
        unsubscribe_url=page,
    )
    return registration


def registration_of(token: str) -> Registration:
    """Return the registration that a link was made for. Raises NotFound for any other text."""
    try:
        return Registration.objects.get(pk=UUID(_SIGNER.unsign(token)))
    except (BadSignature, Registration.DoesNotExist):
        raise NotFound from None


def end_news(registration: Registration) -> None:
    """Take the address out of all of its registrations. Repeating it changes nothing."""
    if registration.email is not None:
        Registration.objects.filter(email=registration.email).update(email=None)
