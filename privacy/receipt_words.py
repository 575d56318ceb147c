"""A receipt in words: what the signed text says, for the page that people read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.apps import apps

from privacy.models import Erasure, Receipt
from privacy.receipts import Kept

# The one table without a model of Django's.
CALLS = "events_event"
_WHAT: Mapping[str, str] = {
    Erasure.Scope.USER: "The calls of one end user",
    Erasure.Scope.SPAN: "The calls of a span of time",
    Erasure.Scope.PROJECT: "A project with everything in it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One table of the database in a receipt: in words, by its name, and how many rows went."""

    words: str
    table: str
    said: int


@dataclass(frozen=True, slots=True)
class ReadReceipt:
    """What a receipt says."""

    number: int
    what: str
    is_anonymised: bool
    requested_at: datetime
    verified_by: str
    done_at: datetime
    checked_at: datetime
    start: datetime | None
    end: datetime | None
    user: str
    rows: list[Row]
    kept: list[Kept]
    previous_sha256: str

    @property
    def calls(self) -> int:
        """How many calls went, or lost their user id."""
        return sum(row.said for row in self.rows if row.table == CALLS)


def read(receipt: Receipt) -> ReadReceipt:
    """Read the signed text of an erasure's receipt."""
    body = json.loads(receipt.text)
    asked = body["asked"]
    return ReadReceipt(
        number=receipt.number,
        what=_WHAT[asked["scope"]],
        is_anonymised=asked["mode"] == Erasure.Mode.ANONYMISE,
        requested_at=datetime.fromisoformat(body["requested_at"]),
        verified_by=body["verified_by"],
        done_at=datetime.fromisoformat(body["done_at"]),
        checked_at=datetime.fromisoformat(body["checked_at"]),
        start=datetime.fromisoformat(asked["from"]) if asked["from"] else None,
        end=datetime.fromisoformat(asked["to"]) if asked["to"] else None,
        user=asked["user"],
        rows=_rows(body["rows"]),
        kept=[Kept(**one) for one in body["kept"]],
        previous_sha256=body["previous_sha256"],
    )


def _rows(said: Mapping[str, int]) -> list[Row]:
    words = {
        model._meta.db_table: str(model._meta.verbose_name_plural) for model in apps.get_models()
    } | {CALLS: "calls"}
    return [Row(words.get(table, table), table, one) for table, one in sorted(said.items())]
