"""Where visits are kept, and what a person may do with their own: Django's `SESSION_ENGINE`.

It is Django's table with one column more, whose visit it is. allauth's list of sessions is not
used, because it keeps the address and the browser's name of each.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime

from accounts.models import Session, User

# In the session: when it began and how the person proved who they are.
SIGNED_IN_AT, SIGNED_IN_BY = "signed_in_at", "signed_in_by"


class SessionStore(db.SessionStore):
    """Django's store, which notes the user of each session beside it."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return our table."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Make the row of a session."""
        session = super().create_model_instance(data)
        assert isinstance(session, Session)
        session.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        return session


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A place where somebody is signed in, as they see it; the key itself is never shown."""

    handle: str
    signed_in_at: datetime | None
    signed_in_by: str
    ends_at: datetime
    is_current: bool


def own_sessions(user: User, current_key: str | None) -> list[OwnSession]:
    """Return where a user is signed in: the session with `current_key` first, then the newest."""
    found = []
    for row in _rows(user):
        data = row.get_decoded()
        found.append(
            OwnSession(
                handle=_handle(row.session_key),
                signed_in_at=parse_datetime(data.get(SIGNED_IN_AT, "")),
                signed_in_by=data.get(SIGNED_IN_BY, ""),
                ends_at=row.expire_date,
                is_current=row.session_key == current_key,
            )
        )
    return sorted(found, key=lambda one: (one.is_current, one.ends_at), reverse=True)


def end_session(user: User, handle: str) -> bool:
    """Sign one of the user's sessions out; False if there is none of that handle."""
    for row in _rows(user):
        if hmac.compare_digest(_handle(row.session_key), handle):
            row.delete()
            return True
    return False


def end_sessions(user: User, *, but: str | None = None) -> int:
    """Sign the user out everywhere but in the session with key `but`; return in how many places."""
    ended, _ = Session.objects.filter(user=user).exclude(session_key=but).delete()
    return ended


def _rows(user: User) -> Iterator[Session]:
    return Session.objects.filter(user=user).order_by("-expire_date").iterator()


def _handle(session_key: str) -> str:
    """Name a session in an address without giving away its key, which is as good as a password."""
    return salted_hmac("accounts.sessions", session_key, algorithm="sha256").hexdigest()[:32]
