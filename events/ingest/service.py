"""Ingest, as its own table of contents: decode, validate, price, store."""

import logging
from dataclasses import dataclass

from django.db import IntegrityError, connection

from events.ingest import erased_users, quota
from events.ingest.store import NO_PARTITION, store
from events.ingest.validate import Rejection, validate
from events.ingest.wire import Call
from events.pricing.price import Price, price
from llmcost import clock
from llmcost.errors import sqlstate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: everything counted, nothing lost without a word."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]
    unknown_fields: list[str]


def ingest(account_id: int, project_id: int, body: bytes) -> Outcome:
    """Take a request's events; what is counted as accepted is committed.

    Raises MalformedJson, TooLarge or QuotaExceeded for the request as a whole.
    """
    now = clock.now()
    batch = validate(body, now, erased_users.refused_in(account_id, project_id))
    prices = [price(event) for event in batch.events]
    accepted = _store(account_id, project_id, batch.events, prices) if batch.events else 0
    if batch.events and not accepted:
        quota.refuse_if_full(account_id, batch.events)
    logger.info(
        "events_ingested",
        extra={
            "project": project_id,
            "accepted": accepted,
            "duplicates": len(batch.events) - accepted,
            "rejected": len(batch.rejected),
        },
    )
    return Outcome(
        accepted=accepted,
        duplicates=len(batch.events) - accepted,
        rejected=batch.rejected,
        unknown_fields=sorted(batch.unknown_fields),
    )


def _store(account_id: int, project_id: int, events: list[Call], prices: list[Price]) -> int:
    try:
        return store(account_id, project_id, events, prices)
    except IntegrityError as error:
        # The first event of a month that nobody made a partition for: make it, then again.
        if sqlstate(error) != NO_PARTITION:
            raise
        with connection.cursor() as cursor:
            cursor.execute("SELECT llmcost_event_partitions()")
        return store(account_id, project_id, events, prices)
