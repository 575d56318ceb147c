"""Background work of people and companies."""

from celery import shared_task

from accounts.sign_in.sessions import SessionStore
from accounts.support import grants
from accounts.team import invitations


@shared_task(name="accounts.tasks.forget_sessions")
def forget_sessions() -> None:
    """Delete the sessions that have ended by their age."""
    SessionStore.clear_expired()


@shared_task(name="accounts.tasks.note_expired_grants")
def note_expired_grants() -> None:
    """Write the end of support grants that ran out into their trails."""
    grants.note_expired_grants()


@shared_task(name="accounts.tasks.forget_invitations")
def forget_invitations() -> None:
    """Delete the invitations that are over."""
    invitations.forget_invitations()
