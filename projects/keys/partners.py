"""Whose reports of leaked keys we believe: the public keys of secret-scanning partners.

A list has GitHub's form: {"public_keys": [{"key_identifier", "key" (PEM), "is_current"}]}. Also
those that are not current count: a report may have been signed just before a change.
"""

import base64
import binascii
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

from cryptography import exceptions
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings

from llmcost.errors import Unavailable
from projects.errors import InvalidSignature

logger = logging.getLogger(__name__)

REMEMBER_SECONDS = 3_600
# How soon to look again for a key that is not in the list, or for a list that did not come.
RETRY_SECONDS = 60
FETCH_SECONDS = 5
MOST_BYTES = 256 * 1024

Keys = Mapping[str, ec.EllipticCurvePublicKey]


@dataclass(frozen=True, slots=True)
class _Fetched:
    tried_at: float
    keys: Keys


class _NoRedirects(HTTPRedirectHandler):
    """The operator has named the address; whoever answers there does not choose another."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        """Let a redirect be the error that it is here."""


_opener = build_opener(_NoRedirects)
_fetched: dict[str, _Fetched] = {}


def verify(body: bytes, *, identifier: str, signature: str) -> None:
    """Return if a partner has signed exactly these bytes.

    Raises InvalidSignature, or Unavailable if the partner's keys cannot be had now.
    """
    key = _keys_in(settings.LEAK_REPORT_KEYS).get(identifier)
    for url in settings.LEAK_REPORT_KEYS_URLS if key is None and identifier else ():
        key = key or _keys_at(url, identifier).get(identifier)
    if key is None:
        raise InvalidSignature
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(SHA256()))
    except (exceptions.InvalidSignature, binascii.Error, ValueError):
        raise InvalidSignature from None


def forget() -> None:
    """Drop what this process has fetched."""
    _fetched.clear()


def _keys_at(url: str, wanted: str) -> Keys:
    """Return the list at an address: the one we have, if it is fresh or `wanted` is looked for
    too often. A list that cannot be renewed goes on to count.
    """
    now = time.monotonic()
    known = _fetched.get(url)
    patience = REMEMBER_SECONDS if known and wanted in known.keys else RETRY_SECONDS
    if known is None or now - known.tried_at >= patience:
        try:
            keys = _keys_in(_fetch(url))
        except (OSError, ValueError) as error:
            logger.warning("partner_keys_not_fetched", extra={"error": type(error).__name__})
            keys = known.keys if known else {}
        known = _fetched[url] = _Fetched(now, keys)
    if not known.keys:
        raise Unavailable("The public keys of the reporter cannot be fetched. Send this again.")
    return known.keys


def _fetch(url: str) -> Any:
    headers = {"Accept": "application/json", "User-Agent": "llmcosttracker"}
    request = Request(url, headers=headers)  # noqa: S310 - the operator's own setting
    with _opener.open(request, timeout=FETCH_SECONDS) as answer:
        return json.loads(answer.read(MOST_BYTES))


def _keys_in(listed: Any) -> Keys:
    """Return the P-256 keys of a list by their identifiers. Raises ValueError for another form."""
    try:
        pairs = [(str(one["key_identifier"]), one["key"]) for one in listed["public_keys"]]
        keys = {identifier: load_pem_public_key(pem.encode()) for identifier, pem in pairs}
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("This is no list of public keys.") from error
    return {
        identifier: key
        for identifier, key in keys.items()
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    }
