"""Replacing a key of ENCRYPTION_KEYS: what older keys have sealed is sealed with the newest one.

Which columns hold sealed secrets is said by the inventory, so none is forgotten. Row by row behind
its lock and batch by batch, while everything runs; safe to repeat.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from django.db import connection, transaction

from events.ingest.store import FOLD
from llmcost import vault
from llmcost.models import DueWork
from llmcost.tenancy.context import tenant
from privacy.inventory.registry import inventory

BATCH = 200


@dataclass(slots=True)
class Resealed:
    """What became of the secrets of one column; `lost` are those that no key opens."""

    column: str
    held: int = 0
    renewed: int = 0
    lost: int = 0


def reseal() -> Iterator[Resealed]:
    """Seal every stored secret with the newest key, column by column."""
    for table, columns in inventory().items():
        for column, declared in columns.items():
            if declared.is_sealed:
                yield _reseal(table, column, of_accounts="account_id" in columns)


def _reseal(table: str, column: str, *, of_accounts: bool) -> Resealed:
    done = Resealed(f"{table}.{column}")
    if not of_accounts:
        _work_off(table, column, transaction.atomic, "true", done)
        return done
    # Rows of accounts are seen only inside their account; this list names all of them.
    for account in DueWork.objects.filter(kind=FOLD).values_list("account_id", flat=True):
        _work_off(table, column, partial(tenant, account), f"account_id = {account:d}", done)
    return done


def _work_off(
    table: str,
    column: str,
    inside: "partial[AbstractContextManager[None]]",
    rows: str,
    done: Resealed,
) -> None:
    read = f"""
        SELECT id, {column}::text FROM {table} WHERE {rows} AND id > %s
        ORDER BY id LIMIT {BATCH} FOR NO KEY UPDATE
    """
    write = (
        f"UPDATE {table} SET {column} = CAST(%s AS {_type(table, column)}) WHERE {rows} AND id = %s"
    )
    last = 0
    while True:
        with inside(), connection.cursor() as cursor:
            cursor.execute(read, [last])
            batch = cursor.fetchall()
            for number, text in batch:
                again = vault.SEALED.sub(partial(_renew, done), text)
                if again != text:
                    cursor.execute(write, [again, number])
        if not batch:
            return
        last = batch[-1][0]


def _renew(done: Resealed, found: re.Match[str]) -> str:
    """Return one secret sealed with the newest key, and count it."""
    done.held += 1
    sealed = found[0]
    if vault.has_newest_key(sealed):
        return sealed
    try:
        again = vault.reseal(sealed)
    except vault.Unsealable:
        done.lost += 1
        return sealed
    done.renewed += 1
    return again


def _type(table: str, column: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = %s AND column_name = %s",
            [table, column],
        )
        return str(cursor.fetchone()[0])
