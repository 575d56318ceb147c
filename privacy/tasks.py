"""Background work that keeps our promises. Each task may run twice, late, or not at all."""

import logging

from celery import shared_task

from privacy.policy import publication

logger = logging.getLogger(__name__)


@shared_task(name="privacy.tasks.publish_policies")
def publish_policies() -> None:
    """Publish what a release brought; what may not be published yet is left, and reported."""
    try:
        publication.publish()
    except publication.PolicyRefused:
        logger.exception("policy_refused")


@shared_task(name="privacy.tasks.tell_owners")
def tell_owners() -> None:
    """Tell the owners of what is announced."""
    while publication.tell_owners():
        pass
