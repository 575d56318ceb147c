"""Event ids: what makes a repeat a repeat, for the event's whole life."""

from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import uuid_utils

FIRST_YEAR = 2020
DAY_MS = 86_400_000


def new_id() -> UUID:
    """Return a UUIDv7 for an event that came without an id."""
    return UUID(int=uuid_utils.uuid7().int)


def milliseconds(event_id: UUID) -> int | None:
    """Return a UUIDv7's own time (RFC 9562 §5.7) since 1970, None for every other id."""
    number = event_id.int
    return number >> 80 if (number >> 76) & 0xF == 7 and (number >> 62) & 0b11 == 0b10 else None


def id_month(event_id: UUID) -> int:
    """Return the partition key of an event id: months since 2019-12 by the id's own time, else 0.

    A pure function of the id, so that a repeat meets its first row whatever else differs, and
    the one place that computes it. An id from before 2020 counts as one without time.
    """
    own = milliseconds(event_id)
    return 0 if own is None else _month_of_day(own // DAY_MS)


@lru_cache(maxsize=4096)
def _month_of_day(days: int) -> int:
    # Beyond datetime's range there is no month; such ids lie ahead and are refused before.
    if days > 2_900_000:
        return 0
    day = datetime.fromtimestamp(days * 86_400, UTC)
    return max(0, (day.year - FIRST_YEAR) * 12 + day.month)
