"""What runs when, and a Celery scheduler of which any number may run.

Time is cut into slots of a task's period. Whoever first inserts the row (task, slot) publishes
the message, in the same transaction, so that a broker that is down leaves the slot open. There is
no schedule file, no leader and no catching up: after a pause only the current slot runs.

Run as `celery --app=llmcost.schedule beat`: that app loads no Django apps and no tasks, only
their names.
"""

import logging
import os
import signal
import time
import warnings
from collections.abc import Mapping
from typing import Any

from celery.beat import Scheduler
from celery.signals import beat_init
from django.db import connection, transaction
from django.db.utils import Error as DatabaseError
from kombu.exceptions import OperationalError as BrokerError

from llmcost.celery import make_app

# Seconds between two runs, by task name.
EVERY: Mapping[str, int] = {
    "accounts.tasks.forget_sessions": 86_400,
    "accounts.tasks.forget_invitations": 3_600,
    "billing.tasks.delete_departed": 600,
    "billing.tasks.end_closed": 60,
    "billing.tasks.look_after_overdue": 600,
    "billing.tasks.meter": 30,
    "billing.tasks.work_inbox": 60,
    "billing.tasks.forget_events": 86_400,
    "billing.tasks.forget_records": 86_400,
    "billing.tasks.forget_strangers": 86_400,
    "billing.tasks.reconcile_due": 600,
    "events.tasks.fold_due": 2,
    "events.tasks.ensure_partitions": 86_400,
    "projects.tasks.close_expired_keys": 60,
    "accounts.tasks.note_expired_grants": 60,
    "llmcost.tasks.beat": 10,
    "llmcost.tasks.forget_ticks": 3_600,
    "llmcost.tasks.send_mails": 10,
    "llmcost.tasks.sweep": 30,
    "privacy.tasks.erase_due": 10,
    "privacy.tasks.forget_consents": 86_400,
    "privacy.tasks.export_due": 10,
    "privacy.tasks.delete_old": 60,
    "privacy.tasks.shred_strays": 86_400,
    "privacy.tasks.purge_due": 300,
    "llmcost.tasks.forget_mails": 86_400,
    "privacy.tasks.publish_policies": 3_600,
    "privacy.tasks.tell_owners": 60,
    "privacy.tasks.tend_requests": 3_600,
    "privacy.tasks.forget_letters": 86_400,
    "privacy.tasks.forget_visitors": 3_600,
    "privacy.tasks.forget_reasons": 3_600,
}
# A message that waited longer is not worth running: the next one has come meanwhile.
SHORTEST_EXPIRY = 60
# How long to leave a database or broker alone that has just failed.
RETRY_SECONDS = 1.0
# Insert the row unless somebody has; the row's existence is the whole agreement.
CLAIM = "INSERT INTO llmcost_scheduletick (task, slot) VALUES (%s, %s) ON CONFLICT DO NOTHING"

# Django means code that queries while apps are still loading; here none ever will.
warnings.filterwarnings("ignore", message="Accessing the database during app initialization")

logger = logging.getLogger(__name__)
app = make_app(fixups=[])


class TickScheduler(Scheduler):
    """Publishes each task once per slot, however many schedulers there are."""

    def __init__(self, *args: Any, every: Mapping[str, int] = EVERY, **kwargs: Any) -> None:
        self._every = every
        self._done: dict[str, int] = {}
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Leave Celery's own schedule empty; ours is `every`."""
        self.data: dict[str, Any] = {}

    def tick(self, *_args: Any, **_kwargs: Any) -> float:
        """Publish what is due and return the seconds until something may be due again."""
        now = time.time()
        try:
            for task, period in self._every.items():
                slot = int(now // period)
                if self._done.get(task) != slot:
                    self.claim(task, slot, period)
                    self._done[task] = slot
        except (DatabaseError, BrokerError, OSError) as error:
            logger.warning("tick_failed", extra={"error": type(error).__name__})
            connection.close()
            return RETRY_SECONDS
        return min(period - now % period for period in self._every.values())

    def claim(self, task: str, slot: int, period: int) -> bool:
        """Publish the task for this slot unless another scheduler has; say whether we did."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(CLAIM, [task, slot])
            if cursor.rowcount == 0:
                return False
            self.app.send_task(task, expires=max(period, SHORTEST_EXPIRY), retry=False)
        return True


@beat_init.connect
def _stop_at_once(**_: Any) -> None:
    """End on the signal itself: there is nothing to save, and an open slot is nobody's.

    Celery raises SystemExit from its handler, which is lost when it strikes inside a destructor,
    and then the scheduler runs on.
    """
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: os._exit(0))
