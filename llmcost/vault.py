"""Secrets that we must be able to read again, sealed before they reach the database.

A seal is Fernet (AES-128-CBC with HMAC-SHA256) with the newest of `ENCRYPTION_KEYS`; whatever an
older one has sealed still opens, so that keys can be replaced without a moment of silence.
"""

import re

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

# Fernet's version, and a time that is far from 2106; alone, or as a value in stored JSON.
SEALED = re.compile(r"gAAAAA[A-Za-z0-9_-]{92,}={0,2}")


class Unsealable(Exception):
    """No key of the ring opens this: a key was lost, or the text was changed."""


def seal(secret: str) -> str:
    """Return `secret` sealed; the same secret gives another text each time."""
    return _ring().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Return what was sealed. Raises Unsealable."""
    try:
        return _ring().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unsealable from None


def reseal(sealed: str) -> str:
    """Return the same secret sealed with the newest key. Raises Unsealable."""
    try:
        return _ring().rotate(sealed.encode()).decode()
    except InvalidToken:
        raise Unsealable from None


def has_newest_key(sealed: str) -> bool:
    """Say whether the newest key opens this, so that no older one is needed for it."""
    try:
        Fernet(settings.ENCRYPTION_KEYS[-1]).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def _ring() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in reversed(settings.ENCRYPTION_KEYS)])
