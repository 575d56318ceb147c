"""Background work of this app; each task is its service, and safe to repeat."""

from celery import shared_task

from projects import services


@shared_task(name="projects.tasks.close_expired_keys")
def close_expired_keys() -> None:
    """Close the keys whose end has come."""
    services.close_expired_keys()
