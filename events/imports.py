"""Calls of another installation, taken in as they were.

What ingest decides (when a call was received, what it cost and by which rate) was decided there.
Here is held what the database and every report rely on, so that a file which somebody has written
by hand can do no more than calls that were sent.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from django.db import connection
from msgspec import Meta, Struct

from events.ingest.identity import id_month, milliseconds
from events.ingest.store import columns, keep_rate
from events.ingest.validate import AHEAD, COST_LIMIT, EARLIEST
from events.ingest.wire import Aware, Call
from events.pricing import catalogue
from events.pricing.cost import PLACES, Rate, Unit
from events.sql import statement
from llmcost import clock

MAX_BIGINT = 2**63 - 1
# Of a price for one token; more than any has.
MOST_PLACES = 40
_UNIT = re.compile(r"[a-z0-9_]{1,60}", re.ASCII)
_CLEAN = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
_Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_CLEAN)]
_Text = Annotated[str, Meta(max_length=200, pattern=_CLEAN)]
# A label was sent with at most 200 characters; what NFC makes of one may be three.
_Label = Annotated[str, Meta(max_length=600, pattern=_CLEAN)]
_Number = Annotated[int, Meta(ge=0, le=MAX_BIGINT)]


class ImportedCall(Call, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A stored call as an export writes it: every column but whose it is, and no other."""

    id_month: int
    created_at: Aware
    received_at: Aware
    model: _Name
    provider: _Text | None
    feature: _Label | None
    user_id: _Text | None
    prompt_version: _Label | None
    cost_source: Literal["caller", "catalogue", "override", "unpriced"]
    catalogue_cost_usd: Decimal | None
    rate_id: _Number | None
    unpriced_reason: _Text | None

    def __post_init__(self) -> None:
        """Hold what no type says. Raises ValueError, without a value."""
        now = clock.now()
        if not EARLIEST <= self.created_at <= now + AHEAD:
            raise ValueError("`created_at` must be from 2015-01-01 to 24 hours ahead")
        # What is received in the future would be out of reach of every deletion.
        if not EARLIEST <= self.received_at <= now:
            raise ValueError("`received_at` must be from 2015-01-01 to now, by the clock here")
        if (milliseconds(self.event_id) or 0) > (now + AHEAD).timestamp() * 1000:
            raise ValueError("`event_id` is a UUIDv7 whose time lies over 24 hours ahead")
        if self.id_month != id_month(self.event_id):
            raise ValueError("`id_month` does not belong to `event_id`")
        for cost in (self.cost_usd, self.catalogue_cost_usd):
            if cost is not None and not _is_amount(cost):
                raise ValueError("a cost must be from 0 to below 10,000,000,000, to ten places")
        if (self.cost_usd is None) != (self.cost_source == "unpriced"):
            raise ValueError("a call is unpriced exactly when it has no cost")


class ImportedRate(Struct, kw_only=True, forbid_unknown_fields=True):
    """A price list that priced calls of an export."""

    id: _Number
    catalogue: _Name
    provider: _Name
    model: _Name
    units: tuple[Unit, ...]
    first_used_at: datetime

    def __post_init__(self) -> None:
        """Refuse a number that belongs to other prices: it would prove false ones, to everybody."""
        if not all(map(_is_unit, self.units)):
            raise ValueError("`units` are no prices")
        if self.id != self.rate.id:
            raise ValueError("`id` does not belong to these prices")

    @property
    def rate(self) -> Rate:
        """The price list, under the number that follows from what it says."""
        return catalogue.rate(self.catalogue, self.provider, self.model, self.units)


def store(account_id: int, project_id: int, calls: Sequence[ImportedCall]) -> int:
    """Store calls, inside the account's context; return how many of their ids were new."""
    params: dict[str, int | str | None] = {"account": account_id, "project": project_id}
    params |= columns(ImportedCall.__struct_fields__, calls)
    with connection.cursor() as cursor:
        cursor.execute(statement("import_events"), params)
        return sum(new for (new,) in cursor.fetchall())


def store_rate(imported: ImportedRate) -> None:
    """Write down a rate of the calls that were stored, unless it is known here."""
    keep_rate(imported.rate)


def make_room() -> None:
    """Make the partitions that calls of these months need; before the transaction that stores."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT llmcost_event_partitions()")


def _is_amount(cost: Decimal) -> bool:
    return _is_money(cost) and cost == cost.quantize(PLACES)


def _is_unit(unit: Unit) -> bool:
    numbers = [*(start for start, _ in unit.tiers), *unit.inside]
    return (
        _UNIT.fullmatch(unit.count) is not None
        and all(0 <= number <= MAX_BIGINT for number in numbers)
        and all(_is_money(price) and _places(price) <= MOST_PLACES for price in unit.prices)
    )


def _is_money(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount < COST_LIMIT


def _places(price: Decimal) -> int:
    return -int(price.as_tuple().exponent)
