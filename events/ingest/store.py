"""Priced events into the database: one statement, committed before anybody says yes."""

import time
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from django.db import connection

from events.ingest.identity import id_month
from events.ingest.wire import Call
from events.pricing.cost import Rate
from events.pricing.price import Price
from events.sql import statement
from llmcost import clock
from llmcost.models import DueWork
from llmcost.tenancy.context import tenant

NO_PARTITION = "23514"  # check_violation: "no partition of relation found for row"
FOLD = "fold"
WAKE_EVERY_SECONDS = 1.0

_encode = msgspec.json.Encoder(decimal_format="string").encode
_known_rates: set[int] = set()
_woken: dict[int, float] = {}


class _Row(msgspec.Struct, omit_defaults=True, gc=False):
    """A row of events_event as insert_events.sql reads it; what is None is left out."""

    event_id: UUID
    id_month: int
    created_at: datetime
    input_tokens: int
    output_tokens: int
    cost_source: str
    status: str
    model: str
    rate_id: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    input_audio_tokens: int | None = None
    cached_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    reasoning_tokens: int | None = None
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None
    web_search_requests: int | None = None
    latency_ms: int | None = None
    cost_usd: Decimal | None = None
    catalogue_cost_usd: Decimal | None = None
    unpriced_reason: str | None = None
    service_tier: str | None = None
    provider: str | None = None
    feature: str | None = None
    user_id: str | None = None
    prompt_version: str | None = None


def store(account_id: int, project_id: int, events: list[Call], prices: list[Price]) -> int:
    """Commit a batch; return how many of its events were new. The rest were there already."""
    rows = _encode([_row(event, price) for event, price in zip(events, prices, strict=True)])
    _keep_rates(prices)
    params: dict[str, int | str] = {
        "account": account_id,
        "project": project_id,
        "rows": rows.decode(),
    }
    with tenant(account_id), connection.cursor() as cursor:
        cursor.execute(statement("insert_events"), params)
        accepted = sum(calls for (calls,) in cursor.fetchall())
        if accepted:
            _wake_folder(account_id)
    return accepted


def _row(event: Call, price: Price) -> _Row:
    return _Row(
        event_id=event.event_id,
        id_month=id_month(event.event_id),
        created_at=event.created_at,
        input_tokens=event.input_tokens,
        output_tokens=event.output_tokens,
        cost_source=price.cost_source,
        status=event.status,
        model=event.model,
        rate_id=price.rate.id if price.rate else None,
        cached_input_tokens=event.cached_input_tokens,
        cache_write_tokens=event.cache_write_tokens,
        cache_write_1h_tokens=event.cache_write_1h_tokens,
        input_audio_tokens=event.input_audio_tokens,
        cached_audio_tokens=event.cached_audio_tokens,
        input_image_tokens=event.input_image_tokens,
        reasoning_tokens=event.reasoning_tokens,
        output_audio_tokens=event.output_audio_tokens,
        output_image_tokens=event.output_image_tokens,
        web_search_requests=event.web_search_requests,
        latency_ms=event.latency_ms,
        cost_usd=price.cost_usd,
        catalogue_cost_usd=price.catalogue_cost_usd,
        unpriced_reason=price.unpriced_reason,
        service_tier=event.service_tier,
        provider=price.provider,
        feature=event.feature,
        user_id=event.user_id,
        prompt_version=event.prompt_version,
    )


def _keep_rates(prices: list[Price]) -> None:
    """Write down each rate when this process first uses it, so that every price stays proved."""
    rates = {price.rate.id: price.rate for price in prices if price.rate}
    for rate_id in rates.keys() - _known_rates:
        _keep_rate(rates[rate_id])
        _known_rates.add(rate_id)


def _keep_rate(rate: Rate) -> None:
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
