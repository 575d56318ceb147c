"""From the key that a request presents to whom it speaks for."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.functions import Now

from accounts.models import Account
from llmcost import clock
from llmcost.errors import AccountTerminated, InvalidKey
from llmcost.tenancy.context import presenting_key, tenant
from projects.keys import hashing
from projects.keys.format import is_well_formed
from projects.models import ApiKey, Project

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
    expires_at: datetime | None = None
    is_archived: bool = False
    is_authenticated: bool = True  # what DRF asks of a user


_remembered: dict[str, tuple[float, Caller]] = {}


def caller_of(key: str) -> Caller:
    """Return whom a key speaks for.

    Raises InvalidKey, the same for unknown, expired and revoked; AccountTerminated for a key that
    would work if its account were not closed.
    """
    if not is_well_formed(key):
        raise InvalidKey
    digests = hashing.digests(key)
    known = _remembered.get(digests[0])
    if known and known[0] > time.monotonic():
        caller = known[1]
    else:
        caller = _look_up(digests)
        if len(_remembered) >= REMEMBER_KEYS:
            _remembered.clear()
        _remembered[digests[0]] = (time.monotonic() + REMEMBER_SECONDS, caller)
    # Asked each time: an end that is known beforehand is kept to the moment.
    if caller.expires_at is not None and caller.expires_at <= clock.now():
        raise InvalidKey
    return caller


def forget() -> None:
    """Drop what this process remembers of keys."""
    _remembered.clear()


def find(digests: list[str]) -> ApiKey | None:
    """Return the key that is stored under one of these hashes, in whatever state it is."""
    for presented in digests:
        with presenting_key(presented):
            key = ApiKey.objects.filter(digest=presented).first()
        if key is not None:
            return key
    return None


def _look_up(digests: list[str]) -> Caller:
    key = find(digests)
    if key is None or not key.is_live(clock.now()):
        raise InvalidKey
    with tenant(key.account_id):
        # By the database's clock as well: ours may have been set back.
        own = ApiKey.objects.filter(account_id=key.account_id, pk=key.pk)
        if key.expires_at is not None and own.filter(expires_at__lte=Now()).exists():
            raise InvalidKey
        if Account.objects.filter(pk=key.account_id, closed_at__isnull=False).exists():
            raise AccountTerminated
        archived = Project.objects.filter(account_id=key.account_id, archived_at__isnull=False)
        is_archived = archived.filter(pk=key.project_id).exists()
        _note_use(key, current=digests[0])
    scopes = frozenset(key.scopes)
    return Caller(
        key.pk, key.account_id, key.project_id, scopes, key.expires_at, is_archived=is_archived
    )


def _note_use(key: ApiKey, *, current: str) -> None:
    """Write the time of use to the minute, and the hash anew if an old pepper made it.

    Comes by only when a process has forgotten the key, so the row is not written per request.
    """
    minute = clock.now().replace(second=0, microsecond=0)
    is_stale = key.last_used_at is None or minute - key.last_used_at >= LAST_USED_PRECISION
    if is_stale or key.digest != current:
        ApiKey.objects.filter(account_id=key.account_id, pk=key.pk).update(
            last_used_at=minute, digest=current
        )
