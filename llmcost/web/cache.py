"""Names of cache entries as hashes: those of rate limits hold somebody's network address."""

import hashlib
import hmac

from django.conf import settings


def hashed_key(key: str, key_prefix: str, version: int) -> str:
    """Return the name under which an entry is kept; Django's KEY_FUNCTION."""
    name = f"{key_prefix}:{version}:{key}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), name, hashlib.sha256).hexdigest()
