"""Who reaches the mirror of Stripe: the worker, and nobody whom a web request can become."""

import psycopg
import pytest
from django.contrib import admin

from tests import database


@pytest.mark.parametrize("url", [database.app_dsn, database.worker_dsn])
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER llmcost_minimise ON djstripe_customer",
        "ALTER TABLE djstripe_customer DISABLE TRIGGER llmcost_minimise",
        "UPDATE billing_stripe_kept SET blank = '{}'",
        "DELETE FROM billing_stripe_kept",
        "SET session_replication_role = replica",
        "CREATE FUNCTION public.llmcost_minimise(jsonb) RETURNS jsonb RETURN $1",
    ],
)
def test_nobody_who_writes_can_get_around_the_trigger(database_name, url, statement):
    with (
        psycopg.connect(url(database_name)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_the_worker_reads_the_mirror_and_the_web_role_does_not(database_name):
    with psycopg.connect(database.worker_dsn(database_name)) as worker:
        assert worker.execute("SELECT count(*) FROM djstripe_customer").fetchone() == (0,)
    for become in ("SELECT 1", "SET LOCAL ROLE llmcost_staff"):
        with psycopg.connect(database.app_dsn(database_name)) as web:
            web.execute(become)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                web.execute("SELECT count(*) FROM djstripe_customer")


def test_the_admin_has_no_page_of_it():
    assert [m for m in admin.site._registry if m._meta.app_label == "djstripe"] == []
