"""Whether the time can be believed: nothing is deleted for its age by a clock that was just set.

The database's clock counts, because all processes share it. It is watched from look to look; ours
must agree with it. A clock that leaps, or that nobody has looked at for days, is believed again
when it has run evenly for an hour.
"""

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction

from llmcost import clock
from privacy.models import ClockWatch

logger = logging.getLogger(__name__)

# A clock that leaps so far between two looks has been set; what is due by it may not be due.
LEAP_BACK, LEAP_AHEAD = timedelta(hours=1), timedelta(days=1)
# How long it must then run evenly before it is believed, and how far ours may differ from it.
PROBATION, TOLERANCE = timedelta(hours=1), timedelta(hours=1)


class ClockHasJumped(Exception):
    """The database's clock was set, or ours is wrong: nothing is deleted for its age."""


def trusted_now() -> datetime:
    """Return the database's time. Raises ClockHasJumped, after having noted the new time."""
    with transaction.atomic():
        now = _database_now()
        watch, _ = ClockWatch.objects.select_for_update().get_or_create(
            pk=1, defaults={"seen_at": now, "steady_since": now - PROBATION}
        )
        if not -LEAP_BACK <= now - watch.seen_at <= LEAP_AHEAD:
            watch.steady_since = now
        watch.seen_at = now
        watch.save()
    if wrong := _wrong(watch, now):
        logger.warning("deletions_wait_for_the_clock", extra={"why": wrong})
        raise ClockHasJumped
    return now


def warning() -> str:
    """Say what is wrong with the clock, for /readyz; nothing if it is believed."""
    watch = ClockWatch.objects.filter(pk=1).first()
    return _wrong(watch, _database_now())


def _wrong(watch: ClockWatch | None, now: datetime) -> str:
    if abs(clock.now() - now) > TOLERANCE:
        return "this process and the database differ by more than an hour"
    if watch and now - watch.steady_since < PROBATION:
        return "the database's clock was set, or nobody looked at it for a day"
    return ""


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]
