"""A receipt in words: what the signed text says, for the page that people read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps

from privacy.models import Erasure, Receipt

# The one table without a model of Django's.
CALLS = "events_event"
_WHAT: Mapping[str, str] = {
    Erasure.Scope.USER: "The calls of one end user",
    Erasure.Scope.SPAN: "The calls of a span of time",
    Erasure.Scope.PROJECT: "A project with everything in it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One table of the database in a receipt: in words, by its name, and what is said of it."""

    words: str
    table: str
    said: Any


@dataclass(frozen=True, slots=True)
class ReadReceipt:
    """What a receipt says."""

    number: int
    what: str
    is_anonymised: bool
    refuses_later: bool
    requested_at: datetime
    verified_at: datetime
    start: datetime | None
    end: datetime | None
    user: str
    rows: list[Row]
    kept: list[Row]
    previous_sha256: str

    @property
    def calls(self) -> int:
        """How many calls went, or lost their user id."""
        return sum(row.said for row in self.rows if row.table == CALLS)


def read(receipt: Receipt) -> ReadReceipt:
    """Read the signed text of an erasure's receipt."""
    body = json.loads(receipt.text)
    return ReadReceipt(
        number=receipt.number,
        what=_WHAT[body["scope"]],
        is_anonymised=body["mode"] == Erasure.Mode.ANONYMISE,
        refuses_later=body["later_calls_refused"],
        requested_at=datetime.fromisoformat(body["requested_at"]),
        verified_at=datetime.fromisoformat(body["verified_at"]),
        start=datetime.fromisoformat(body["from"]) if body["from"] else None,
        end=datetime.fromisoformat(body["to"]) if body["to"] else None,
        user=body["user"],
        rows=_rows(body["rows"]),
        kept=_rows(body["kept"]),
        previous_sha256=body["previous_sha256"],
    )


def _rows(said: Mapping[str, Any]) -> list[Row]:
    words = {
        model._meta.db_table: str(model._meta.verbose_name_plural) for model in apps.get_models()
    } | {CALLS: "calls"}
    return [Row(words.get(table, table), table, one) for table, one in sorted(said.items())]
