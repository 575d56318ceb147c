"""What an export holds, made from the inventory: tables, columns, and what each of them means."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from llmcost.inventory import Category, Declared
from llmcost.web.sheets import text_cell
from privacy.exports.portability import DECISIONS
from privacy.inventory.registry import declared_columns
from privacy.plan import tables

# Sums that can be made again from the calls, and what only a deletion or an export is about.
DERIVED = {
    "events_delta",
    "events_quarter",
    "events_user_day",
    "privacy_erasure",
    "privacy_export",
}
EVENTS = "events_event"
# Never leaves us: a hash of a secret is of no use to anybody but a thief.
SECRET = {Category.CREDENTIAL, Category.SESSION}
MEMBERS = """
    SELECT m.id, m.user_id, u.name, u.email, m.role, m.joined_at
    FROM accounts_membership m JOIN accounts_user u ON u.id = m.user_id
    WHERE m.account_id = %(account)s ORDER BY m.id
"""
RECEIPTS = """
    SELECT number, kind, text, sha256, signature, made_at FROM privacy_receipt
    WHERE account_ref = %(account_ref)s ORDER BY number
"""
ROWS_AT_ONCE = 1_000


# PostgreSQL's number of the type, whose values the framework hands out as text.
JSONB = 3802
# What a CSV writer writes as it should be: most cells of ten million calls.
_AS_IS = {int, float, bool, Decimal, UUID, NoneType}
# A sixth of the time of the standard library's.
_encoder = msgspec.json.Encoder(decimal_format="string", enc_hook=str)


@dataclass(frozen=True, slots=True)
class Source:
    """One table of an export: its file's name, what it is for, what its columns are, and how it
    is read.
    """

    name: str
    purpose: str
    columns: dict[str, str]
    statement: str


def sources() -> list[Source]:
    """Return the tables of an account that go into its export, but for the calls."""
    found = [
        Source(
            "members",
            "who belongs to the account",
            {
                "id": "number of the membership",
                "user_id": "number of the person, as the audit trail has it",
                "name": "name",
                "email": "e-mail address",
                "role": "role",
                "joined_at": "when they joined",
            },
            MEMBERS,
        ),
        _source("accounts_account", "id"),
        Source(
            "receipts",
            "proof of what was deleted",
            {
                "number": "number in the chain of all receipts",
                "kind": "what was deleted: calls, or an account",
                "text": "what it says, as it was signed",
                "sha256": "checksum of the text, which the next receipt repeats",
                "signature": "Ed25519, in base 64; the key is at /v1/receipts/key",
                "made_at": "when it was made",
            },
            RECEIPTS,
        ),
    ]
    for table in tables():
        if table.name in DERIVED | {EVENTS, "accounts_membership"}:
            continue
        found.append(_source(table.name, "account_id"))
    return [source for source in found if source.columns]


def _source(table: str, owner: str) -> Source:
    shown = shown_columns(table)
    names = ", ".join(f'"{name}"' for name in shown)
    return Source(
        table,
        _purposes(shown.values()),
        {name: one.meaning for name, one in shown.items()},
        f"SELECT {names} FROM {table} WHERE {owner} = %(account)s ORDER BY 1",
    )


def rates() -> Source:
    """Return the prices with which the calls of an export were priced."""
    shown = shown_columns("events_rate")
    return Source(
        "rates",
        _purposes(shown.values()),
        {name: one.meaning for name, one in shown.items()},
        f"SELECT {', '.join(shown)} FROM events_rate WHERE id = ANY(%(rates)s) ORDER BY id",
    )


def _purposes(declared: Iterable[Declared]) -> str:
    return "; ".join(dict.fromkeys(one.purpose for one in declared))


def shown_columns(table: str) -> dict[str, Declared]:
    """Return the columns of a table that are exported."""
    declared: dict[str, Declared] = declared_columns(table) or {}
    return {name: one for name, one in declared.items() if one.category not in SECRET}


def call_columns() -> list[str]:
    """Return the columns of a call that are exported; whose it is the folder says."""
    return [name for name in shown_columns(EVENTS) if name not in ("account_id", "project_id")]


def rows(source: Source, **params: Any) -> Iterator[tuple[Any, ...]]:
    """Read a table's rows in the caller's transaction, some at a time."""
    with connection.cursor() as cursor:
        cursor.execute(source.statement, params)
        places = [n for n, one in enumerate(cursor.description) if one.type_code == JSONB]
        while found := cursor.fetchmany(ROWS_AT_ONCE):
            for row in found:
                values = list(row)
                for place in places:
                    values[place] = json.loads(values[place])
                yield tuple(values)


def as_json(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Write each row as one line of JSON: times by RFC 3339, money as text."""
    return _encoder.encode_lines([dict(zip(columns, row, strict=True)) for row in rows])


def pretty(value: Any) -> bytes:
    """Write JSON for people."""
    return json.dumps(value, indent=1, default=_plain, ensure_ascii=False).encode() + b"\n"


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def as_csv(lines: Iterable[Sequence[Any]]) -> bytes:
    """Write lines of CSV that a spreadsheet takes for text, not for formulas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows(
        [[value if type(value) in _AS_IS else _cell(value) for value in line] for line in lines]
    )
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = json.dumps(value, default=_plain, ensure_ascii=False)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return text_cell(value) if isinstance(value, str) else value


def readme(account_name: str, moment: str, version: int) -> str:
    """Return the README of an export: every file and every column."""
    parts = [
        f"# Everything we hold for {' '.join(account_name.split())}",
        f"As of {moment}; format {version}. `manifest.json` lists every file with its SHA-256.",
        (
            "Each table is there as JSON (one object a line) and as CSV. In CSV a text that a "
            "spreadsheet would take for a formula has an apostrophe before it; JSON has it as is. "
            "Calls come in parts of 20,000, as JSON, CSV and Parquet. Times are UTC, money is US "
            "dollars."
        ),
        (
            "Secrets (password hashes, key hashes, second factors) are in no export. "
            "`manage.py import_account` reads this file into another installation; what it reads "
            "in again, and why not the rest, stands with each table."
        ),
    ]
    calls = {name: shown_columns(EVENTS)[name] for name in call_columns()}
    for source in [
        *sources(),
        Source(
            "calls/<project>/part-…",
            _purposes(calls.values()),
            {name: one.meaning for name, one in calls.items()},
            "",
        ),
        rates(),
    ]:
        listed = "\n".join(f"- `{name}`: {meaning}" for name, meaning in source.columns.items())
        decision = DECISIONS[source.name.partition("/")[0]]
        parts.append(f"## {source.name}\nHeld for: {source.purpose}. {decision}\n\n{listed}")
    return "\n\n".join(parts) + "\n"
