"""Background work of people and companies."""

from celery import shared_task

from accounts import sessions


@shared_task(name="accounts.tasks.forget_sessions")
def forget_sessions() -> None:
    """Delete the sessions that have ended by their age."""
    sessions.SessionStore.clear_expired()
