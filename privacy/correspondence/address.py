"""How an address is found again although it is not there to be read."""

import hashlib
import hmac

from django.conf import settings


def digest(address: str) -> str:
    """Return the keyed hash under which an address is stored now (64 hex digits)."""
    return digests(address)[0]


def digests(address: str) -> list[str]:
    """Return every keyed hash under which it may be stored, the current one first.

    Keyed with the ring of peppers, which is not in the database: a stolen table can neither be
    read nor be tried with a list of addresses.
    """
    text = f"address:{address.strip().lower()}".encode()
    return [
        hmac.new(pepper.encode(), text, hashlib.sha256).hexdigest()
        for pepper in reversed(settings.KEY_PEPPERS)
    ]
