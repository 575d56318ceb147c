"""Keys are stored as a keyed hash only.

A key has 190 random bits, so a slow hash would add waiting and no safety; the pepper, which is
not in the database, makes a stolen table useless. The ring of peppers lets one be replaced: new
hashes use the last one, older ones still verify.
"""

import hashlib
import hmac

from django.conf import settings


def digest(key: str) -> str:
    """Return the hash under which a key is stored now (64 hex digits)."""
    return _hash(settings.KEY_PEPPERS[-1], key)


def digests(key: str) -> list[str]:
    """Return every hash under which a key may be stored, the current one first."""
    return [_hash(pepper, key) for pepper in reversed(settings.KEY_PEPPERS)]


def _hash(pepper: str, key: str) -> str:
    return hmac.new(pepper.encode(), key.encode(), hashlib.sha256).hexdigest()
