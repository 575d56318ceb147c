"""From the key that a request presents to whom it speaks for."""

import time
from dataclasses import dataclass
from datetime import timedelta

from llmcost import clock
from llmcost.errors import InvalidKey
from llmcost.tenancy.context import presenting_key, tenant
from projects.keys import hashing
from projects.keys.format import is_well_formed
from projects.models import ApiKey

# A revoked key must be refused within 5 s by every process, so none may remember longer.
REMEMBER_SECONDS = 4
REMEMBER_KEYS = 10_000
LAST_USED_PRECISION = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """For which project a request speaks, and what it may do."""

    key_id: int
    account_id: int
    project_id: int
    scopes: frozenset[str]
    is_authenticated: bool = True  # what DRF asks of a user


_remembered: dict[str, tuple[float, Caller]] = {}


def caller_of(key: str) -> Caller:
    """Return whom a key speaks for. Raises InvalidKey, the same for unknown and revoked."""
    if not is_well_formed(key):
        raise InvalidKey
    digests = hashing.digests(key)
    known = _remembered.get(digests[0])
    if known and known[0] > time.monotonic():
        return known[1]
    caller = _look_up(digests)
    if len(_remembered) >= REMEMBER_KEYS:
        _remembered.clear()
    _remembered[digests[0]] = (time.monotonic() + REMEMBER_SECONDS, caller)
    return caller


def forget() -> None:
    """Drop what this process remembers of keys."""
    _remembered.clear()


def _look_up(digests: list[str]) -> Caller:
    for presented in digests:
        with presenting_key(presented):
            key = ApiKey.objects.live().filter(digest=presented).first()
        if key is None:
            continue
        _note_use(key, current=digests[0])
        return Caller(key.pk, key.account_id, key.project_id, frozenset(key.scopes))
    raise InvalidKey


def _note_use(key: ApiKey, *, current: str) -> None:
    """Write the time of use to the minute, and the hash anew if an old pepper made it.

    Comes by only when a process has forgotten the key, so the row is not written per request.
    """
    now = clock.now()
    is_stale = key.last_used_at is None or now - key.last_used_at >= LAST_USED_PRECISION
    if is_stale or key.digest != current:
        with tenant(key.account_id):
            ApiKey.objects.filter(account_id=key.account_id, pk=key.pk).update(
                last_used_at=now, digest=current
            )
