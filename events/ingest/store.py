"""Priced events into the database: one statement, committed before anybody says yes."""

import time
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from django.db import connection

from events.ingest.identity import id_month
from events.ingest.wire import Call
from events.pricing.cost import Rate
from events.pricing.price import Price
from events.sql import prepared, statement
from llmcost import clock
from llmcost.models import DueWork
from llmcost.tenancy.context import tenant

NO_PARTITION = "23514"  # check_violation: "no partition of relation found for row"
FOLD = "fold"
WAKE_EVERY_SECONDS = 1.0

_encode = msgspec.json.Encoder(decimal_format="string").encode
_known_rates: set[int] = set()
_woken: dict[int, float] = {}


# The columns of events_event that come from the event as it was sent, and from its price.
_OF_CALL = (
    "event_id",
    "created_at",
    "model",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "cached_audio_tokens",
    "input_image_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "web_search_requests",
    "latency_ms",
    "status",
    "service_tier",
    "feature",
    "user_id",
    "prompt_version",
)
_OF_PRICE = (
    "provider",
    "cost_usd",
    "cost_source",
    "catalogue_cost_usd",
    "rate_id",
    "unpriced_reason",
)


def store(account_id: int, project_id: int, events: list[Call], prices: list[Price]) -> int:
    """Commit a batch; return how many of its events were new. The rest were there already."""
    _keep_rates(prices)
    params: dict[str, int | str | None] = {"account": account_id, "project": project_id}
    params |= columns(_OF_CALL, events) | columns(_OF_PRICE, prices)
    params["id_month"] = _array([id_month(event.event_id) for event in events])
    # In turn, if the account stops at a number of calls: migration 0004 says why.
    with tenant(account_id, function="llmcost_tenant_in_turn"), connection.cursor() as cursor:
        with prepared():
            cursor.execute(statement("insert_events"), params)
        accepted = sum(calls for (calls,) in cursor.fetchall())
        if accepted:
            _wake_folder(account_id)
    return accepted


def columns(names: Iterable[str], rows: Sequence[object]) -> dict[str, str | None]:
    """Return attributes of rows as parameters: one array for each name."""
    return {name: _array([*map(attrgetter(name), rows)]) for name in names}


def _array(values: list[Any]) -> str | None:
    """Write a column as PostgreSQL's array literal: JSON in braces, since no text that passed
    validation holds a character which the two escape differently. None for a column of Nones.
    """
    if values.count(None) == len(values):
        return None
    return "{" + _encode(values)[1:-1].decode() + "}"


def _keep_rates(prices: list[Price]) -> None:
    """Write down each rate when this process first uses it, so that every price stays proved."""
    rates = {price.rate.id: price.rate for price in prices if price.rate}
    for rate_id in rates.keys() - _known_rates:
        keep_rate(rates[rate_id])
        _known_rates.add(rate_id)


def keep_rate(rate: Rate) -> None:
    """Write a rate down, unless it is there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_rate (id, catalogue, provider, model, units) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [rate.id, rate.catalogue, rate.provider, rate.model, _encode(rate.units).decode()],
        )


def _wake_folder(account_id: int) -> None:
    """Bring the account's next fold forward, at most once a second and in this transaction.

    A wake-up that is lost costs nothing but time: reports add what is not folded yet.
    """
    now = time.monotonic()
    if now - _woken.get(account_id, -WAKE_EVERY_SECONDS) < WAKE_EVERY_SECONDS:
        return
    _woken[account_id] = now
    at = clock.now()
    DueWork.objects.filter(kind=FOLD, account_id=account_id, due_at__gt=at).update(due_at=at)
