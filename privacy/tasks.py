"""Background work that keeps our promises. Each task may run twice, late, or not at all."""

import logging
from contextlib import suppress

from celery import shared_task

from llmcost import clock
from privacy import consent, erasure, purge, retention
from privacy.analytics import counter
from privacy.correspondence import services as correspondence
from privacy.exports import services as exports
from privacy.policy import publication
from privacy.requests import services as requests
from privacy.watched_clock import ClockHasJumped, trusted_now

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


@shared_task(name="privacy.tasks.tend_requests")
def tend_requests() -> None:
    """Close what nobody confirmed, and remind our staff of what is due."""
    requests.close_unconfirmed()
    requests.remind_staff()


@shared_task(name="privacy.tasks.forget_letters")
def forget_letters() -> None:
    """Delete correspondence that is older than the policy says."""
    with suppress(ClockHasJumped):
        trusted_now()
        correspondence.forget_old()


@shared_task(name="privacy.tasks.forget_visitors")
def forget_visitors() -> None:
    """Close the days that are over, also when no page was viewed since."""
    counter.close_days(clock.now().date())


@shared_task(name="privacy.tasks.forget_consents")
def forget_consents() -> None:
    """Delete the records of choices that prove nothing any more."""
    with suppress(ClockHasJumped):
        trusted_now()
        consent.forget_old()


@shared_task(name="privacy.tasks.erase_due")
def erase_due() -> None:
    """Work off the deletions that were asked for."""
    erasure.erase_due()


@shared_task(name="privacy.tasks.export_due")
def export_due() -> None:
    """Write the exports that were asked for, and shred those whose days are over."""
    exports.export_due()


@shared_task(name="privacy.tasks.shred_strays")
def shred_strays() -> None:
    """Delete files of exports that no row knows."""
    exports.shred_strays()


@shared_task(name="privacy.tasks.delete_old")
def delete_old() -> None:
    """Delete the calls that are older than their projects keep them."""
    with suppress(ClockHasJumped):
        trusted_now()
        retention.delete_old()


@shared_task(name="privacy.tasks.forget_reasons")
def forget_reasons() -> None:
    """Blank the reasons of our staff that have been kept long enough."""
    with suppress(ClockHasJumped):
        trusted_now()
        retention.forget_reasons()


@shared_task(name="privacy.tasks.purge_due")
def purge_due() -> None:
    """Purge the closed accounts whose thirty days are over."""
    with suppress(ClockHasJumped):  # noted; the next look decides
        purge.purge_due_accounts()
