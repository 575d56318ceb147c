"""Which tables hold an account's rows, in the order in which they can be emptied.

Asked of the live database and of the inventory, never written down a second time: a table that
somebody adds tomorrow is purged without a change here, or stays because its declaration says that
the law wants it kept.
"""

from dataclasses import dataclass
from graphlib import TopologicalSorter

from django.db import connection

from llmcost.inventory import Retention
from llmcost.models import DueWork, OutgoingMail
from privacy.inventory.registry import declared_columns

# Emptied by their own name, because they are no tenant tables.
ELSEWHERE = {DueWork._meta.db_table, OutgoingMail._meta.db_table}
# Deleted last, when nothing refers to it any more.
ACCOUNT = "accounts_account"

_TABLES = """
    SELECT c.relname::text,
        EXISTS (SELECT FROM pg_attribute p
                WHERE p.attrelid = c.oid AND p.attname = 'project_id' AND NOT p.attisdropped)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id'
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition AND NOT a.attisdropped
      AND a.atttypid = 'bigint'::regtype  -- Stripe has accounts of its own, with names
"""
_KEYS = """
    SELECT i.indrelid::regclass::text,
        coalesce(array_agg(a.attname::text ORDER BY k.place)
                 FILTER (WHERE a.attname <> 'account_id'), '{}')
    FROM pg_index i, unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place),
        pg_attribute a
    WHERE i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.number
    GROUP BY 1
"""
_REFERENCES = """
    SELECT DISTINCT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conrelid <> confrelid
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows of accounts."""

    name: str
    has_project: bool
    is_kept: bool
    # What tells an account's rows apart.
    key: tuple[str, ...]


def tables() -> list[Table]:
    """Return every table with an `account_id`, those that refer to others before the others."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        found: dict[str, bool] = dict(cursor.fetchall())
        cursor.execute(_REFERENCES)
        references = cursor.fetchall()
        cursor.execute(_KEYS)
        keys = dict(cursor.fetchall())
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(found, ()))
    for child, parent in references:
        if child in found and parent in found:
            order.add(parent, child)
    return [
        Table(name, found[name], is_kept_by_law(name), tuple(keys[name]))
        for name in order.static_order()
        if name not in ELSEWHERE and not outlives_its_account(name)
    ]


def is_kept_by_law(table: str) -> bool:
    """Say whether the inventory declares the table's rows as records that tax law wants kept."""
    declared = declared_columns(table) or {}
    return any(column.retention == Retention.BILLING for column in declared.values())


def outlives_its_account(table: str) -> bool:
    """Say whether the inventory declares that whose it was stays for good, as a number."""
    owner = (declared_columns(table) or {}).get("account_id")
    return owner is not None and owner.retention == Retention.ALWAYS
