"""Nothing is stored undeclared: the live database against the privacy inventory."""

import psycopg
import pytest

from privacy.inventory.registry import declared_columns, inventory
from tests import database

COLUMNS = """
    SELECT CASE table_schema WHEN 'public' THEN '' ELSE table_schema || '.' END || c.relname,
           column_name
    FROM information_schema.columns
    JOIN pg_class c ON c.oid = format('%I.%I', table_schema, table_name)::regclass
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
      AND c.relkind IN ('r', 'p', 'm', 'v') AND NOT c.relispartition
"""


@pytest.fixture
def live_columns(database_name):
    with psycopg.connect(database.admin_dsn(database_name), autocommit=True) as connection:
        # A queue as the worker makes it on its first start.
        connection.execute("SET ROLE llmcost_broker")
        connection.execute("SELECT pgmq.create('inventory')")
        connection.execute("RESET ROLE")
        yield set(connection.execute(COLUMNS).fetchall())
        connection.execute("SET ROLE llmcost_broker")
        connection.execute("SELECT pgmq.drop_queue('inventory')")


def test_every_column_of_the_live_database_is_declared(live_columns):
    undeclared = {
        f"{table}.{column}"
        for table, column in live_columns
        if column not in (declared_columns(table) or {})
    }

    assert undeclared == set()


def test_nothing_is_declared_that_is_not_there(live_columns):
    gone = {
        f"{table}.{column}"
        for table, columns in inventory().items()
        if not table.endswith("*")
        for column in columns
        if (table, column) not in live_columns
    }

    assert gone == set()


def test_an_undeclared_column_is_noticed(database_name):
    with psycopg.connect(database.owner_dsn(database_name)) as connection:
        connection.execute("ALTER TABLE accounts_user ADD nickname text")
        found = connection.execute(COLUMNS).fetchall()
        connection.rollback()

    assert ("accounts_user", "nickname") in found
    assert "nickname" not in declared_columns("accounts_user")
