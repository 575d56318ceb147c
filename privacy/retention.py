"""What is kept for a shorter time than its account lives.

Calls, project by project: each night what is older than a project keeps is deleted in batches,
from the sums as well. It is the customer's standing order, so it has a line in the audit trail
when it is set and no receipt each night.

And the reasons that our staff writes down: they may name somebody.
"""

import logging
from datetime import timedelta

from django.db.models import Q

from accounts import audit
from accounts.models import StaffAct, User
from events import erasure
from events.erasure import Selection
from llmcost import clock, upkeep
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant
from privacy.models import Purge
from projects.models import Project

logger = logging.getLogger(__name__)

RETAIN = "retain"
EVERY, LEASE, CHUNK = timedelta(days=1), timedelta(minutes=5), timedelta(seconds=90)
REASONS_KEPT = timedelta(days=365)


def set_retention(project: Project, days: int | None, *, by: User) -> None:
    """Keep a project's calls for so many days, or for as long as the account lives."""
    Project.objects.filter(account_id=project.account_id, pk=project.pk).update(retention_days=days)
    audit.record(project.account_id, "data.retention_set", by=by, subject=project.slug, days=days)
    due.schedule(RETAIN, project.account_id, clock.now())


def delete_old() -> int:
    """Delete what is older than its project keeps, for at most CHUNK; return how many calls."""
    gone = 0
    for turn in due.turns(RETAIN, lease=LEASE, within=CHUNK):
        account_id = turn.account_id
        with tenant(account_id):
            limited = list(
                Project.objects.filter(account_id=account_id, retention_days__isnull=False)
            )
        for project in limited:
            gone += _delete_old_of(project, turn)
            if not turn.goes_on():
                turn.end(clock.now())
                return gone
        turn.end(clock.now() + EVERY)
    return gone


def _delete_old_of(project: Project, turn: due.Turn) -> int:
    now = clock.now()
    old = Selection(
        account_id=project.account_id,
        project_id=project.pk,
        received_until=now,
        end=now - timedelta(days=project.retention_days or 0),
    )
    gone = 0

    def one_batch(window: Selection) -> Selection | None:
        nonlocal gone
        with tenant(project.account_id):
            batch, rest = erasure.erase_batch(window)
        gone += batch
        return rest

    erasure.in_batches(old, one_batch, turn.goes_on)
    if gone:
        # Whatever it takes: the next turn would not know that something went.
        erasure.settle(old)
        upkeep.ask(gone)
        logger.info("old_calls_deleted", extra={"project": project.pk, "calls": gone})
    return gone


def forget_reasons() -> int:
    """Blank why, and to what, our staff did something a year ago, or in an account that is gone.

    That it was done, when, by whom and in which account stays. Return how many were blanked.
    """
    purged = Purge.objects.filter(done_at__isnull=False).values("account_id")
    over = Q(at__lt=clock.now() - REASONS_KEPT) | Q(account_id__in=purged)
    return (
        StaffAct.objects.filter(over).exclude(reason="", subject="").update(reason="", subject="")
    )
