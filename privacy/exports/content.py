"""What an export holds, made from the inventory: tables, columns, and what each of them means."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from llmcost.inventory import Category, Declared
from llmcost.web.sheets import text_cell
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
    SELECT m.id, u.name, u.email, m.role, m.joined_at
    FROM accounts_membership m JOIN accounts_user u ON u.id = m.user_id
    WHERE m.account_id = %(account)s ORDER BY m.id
"""
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """One table of an export: its file's name, its columns with what they mean, its statement."""

    name: str
    columns: dict[str, str]
    statement: str


def sources() -> list[Source]:
    """Return the tables of an account that go into its export, but for the calls."""
    found = [
        Source(
            "members",
            {
                "id": "number of the membership",
                "name": "name",
                "email": "e-mail address",
                "role": "role",
                "joined_at": "when they joined",
            },
            MEMBERS,
        ),
        _source("accounts_account", "id"),
    ]
    for table in tables():
        if table.name in DERIVED | {EVENTS, "accounts_membership"}:
            continue
        found.append(_source(table.name, "account_id"))
    return [source for source in found if source.columns]


def _source(table: str, owner: str) -> Source:
    columns = shown_columns(table)
    names = ", ".join(f'"{name}"' for name in columns)
    return Source(
        table, columns, f"SELECT {names} FROM {table} WHERE {owner} = %(account)s ORDER BY 1"
    )


def shown_columns(table: str) -> dict[str, str]:
    """Return the columns of a table that are exported, each with its purpose."""
    declared: dict[str, Declared] = declared_columns(table) or {}
    return {name: one.purpose for name, one in declared.items() if one.category not in SECRET}


def call_columns() -> list[str]:
    """Return the columns of a call that are exported; whose it is the folder says."""
    return [name for name in shown_columns(EVENTS) if name not in ("account_id", "project_id")]


def rows(source: Source, account_id: int) -> Iterator[tuple[Any, ...]]:
    """Read a table's rows in the caller's transaction, some at a time."""
    with connection.cursor() as cursor:
        cursor.execute(source.statement, {"account": account_id})
        while found := cursor.fetchmany(ROWS_AT_ONCE):
            yield from found


def as_json(columns: Sequence[str], row: Sequence[Any]) -> bytes:
    """Write a row as one line of JSON."""
    line = dict(zip(columns, row, strict=True))
    return json.dumps(line, default=str, ensure_ascii=False).encode() + b"\n"


def pretty(value: Any) -> bytes:
    """Write JSON for people."""
    return json.dumps(value, indent=1, default=str, ensure_ascii=False).encode() + b"\n"


def as_csv(lines: Iterable[Sequence[Any]]) -> bytes:
    """Write lines of CSV that a spreadsheet takes for text, not for formulas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([[_cell(value) for value in line] for line in lines])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, str):
        return text_cell(value)
    return "" if value is None else value


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
            "`manage.py import_account` reads this file into another installation."
        ),
    ]
    for source in [*sources(), Source("calls/part-…", shown_columns(EVENTS), "")]:
        listed = "\n".join(f"- `{name}`: {purpose}" for name, purpose in source.columns.items())
        parts.append(f"## {source.name}\n{listed}")
    return "\n\n".join(parts) + "\n"
