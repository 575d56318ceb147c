"""One account's rows are nobody else's: asked of the catalogue, and tried."""

import threading

import psycopg
import pytest
from django.db import ProgrammingError, connection, connections, transaction

from llmcost.tenancy.context import tenant
from llmcost.tenancy.grants import STAFF_READS_UNDER_GRANT
from tests import database
from tests.catalogue import policies
from tests.conftest import open_company


@pytest.fixture
def catalogue(database_name):
    """The catalogue as the owner sees it, in a transaction that is rolled back."""
    with psycopg.connect(database.owner_dsn(database_name)) as link:
        yield link
        link.rollback()


@pytest.mark.parametrize("check", policies.CHECKS, ids=lambda check: check.__name__)
def test_the_catalogue_has_no(check, catalogue):
    assert check(catalogue) == set()


def test_the_allow_lists_name_only_what_exists(catalogue):
    tables = {
        row[0]
        for row in catalogue.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }

    assert set(policies.GLOBAL_TABLES) <= tables


MUTATIONS = {
    "a policy is dropped": "DROP POLICY own_rows ON {table}",
    "force is dropped": "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
    "row security is off": "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "a policy is always true": "DROP POLICY own_rows ON {table}; CREATE POLICY own_rows ON {table} USING (true)",
    "a second policy opens it": "CREATE POLICY more ON {table} USING (true)",
    "truncate is granted": "GRANT TRUNCATE ON {table} TO llmcost_app",
}
TENANT_TABLES = [
    "accounts_account",
    "accounts_auditevent",
    "accounts_invitation",
    "accounts_membership",
    "accounts_ssoconnection",
    "accounts_ssodomain",
    "billing_account",
    "billing_invoice",
    "billing_overage",
    "accounts_supportgrant",
    "privacy_erasure",
    "privacy_export",
    "privacy_refuseduser",
    "projects_project",
    "projects_apikey",
    "events_event",
    "events_allowance",
    "events_delta",
    "events_month",
    "events_quarter",
    "events_user_day",
    "privacy_notice",
    "privacy_referral",
]


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("table", TENANT_TABLES)
def test_the_checks_turn_red_when(mutation, table, catalogue):
    catalogue.execute(MUTATIONS[mutation].format(table=table))

    assert any(table in offender for offender in policies.offenders(catalogue))


def test_the_checks_know_every_tenant_table(catalogue):
    rows = catalogue.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p') AND NOT relispartition AND relrowsecurity"
    )

    assert {row[0] for row in rows} == set(TENANT_TABLES)


@pytest.mark.parametrize(
    "mutation",
    [
        "GRANT SELECT ON events_event_timeless TO llmcost_app",
        "GRANT MAINTAIN ON events_event TO llmcost_app",
        "ALTER TABLE events_event_timeless DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE events_note (account_id bigint)",
        "CREATE TABLE stray (id bigint)",
        "CREATE VIEW all_calls AS SELECT * FROM events_event",
        "CREATE MATERIALIZED VIEW all_calls AS SELECT * FROM events_event",
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN 1",
        "GRANT EXECUTE ON FUNCTION llmcost_event_partitions() TO PUBLIC",
        "GRANT EXECUTE ON FUNCTION llmcost_calls_by_month(bigint) TO PUBLIC",
        *(f"DROP POLICY under_grant ON {table}" for table in sorted(STAFF_READS_UNDER_GRANT)),
        (
            "DROP POLICY under_grant ON events_event; CREATE POLICY under_grant ON events_event "
            "AS RESTRICTIVE FOR SELECT TO llmcost_staff USING (true)"
        ),
        (
            "DROP POLICY under_grant ON events_event; CREATE POLICY under_grant ON events_event "
            "FOR SELECT TO llmcost_staff USING (account_id = llmcost_granted_account())"
        ),
        (
            "CREATE TABLE secret (account_id bigint); ALTER TABLE secret ENABLE ROW LEVEL SECURITY; "
            "GRANT SELECT ON secret TO llmcost_staff"
        ),
        "GRANT SELECT (user_id) ON accounts_auditevent TO llmcost_staff",
        "GRANT INSERT ON accounts_supportgrant TO llmcost_staff",
        "CREATE UNIQUE INDEX probe ON projects_project (name)",
        "GRANT SELECT ON djstripe_customer TO llmcost_app",
        "GRANT SELECT (id) ON djstripe_customer TO llmcost_staff",
        "GRANT TRUNCATE ON djstripe_customer TO llmcost_worker",
        "DROP TRIGGER llmcost_minimise ON djstripe_customer",
        "ALTER TABLE djstripe_customer DISABLE TRIGGER llmcost_minimise",
        "DELETE FROM billing_stripe_kept WHERE \"table\" = 'djstripe_customer'",
        "ALTER TABLE projects_apikey ADD CONSTRAINT probe FOREIGN KEY (project_id) REFERENCES projects_project",
    ],
)
def test_the_checks_turn_red_on(mutation, catalogue):
    catalogue.execute(mutation)

    assert policies.offenders(catalogue)


def test_web_worker_and_tests_are_the_application_role(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, session_user, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, "
            "EXISTS (SELECT FROM pg_class WHERE relowner = r.oid), "
            "EXISTS (SELECT FROM pg_namespace WHERE nspowner = r.oid), "
            "EXISTS (SELECT FROM pg_database WHERE datdba = r.oid), "
            "ARRAY(SELECT m.rolname::text FROM pg_roles m "
            "WHERE m.oid <> r.oid AND pg_has_role(r.oid, m.oid, 'MEMBER')), "
            "pg_has_role(r.oid, 'llmcost_staff', 'USAGE') "
            "FROM pg_roles r WHERE rolname = current_user"
        )
        found = cursor.fetchone()

    nothing = (False,) * 7
    assert found == ("llmcost_app", "llmcost_app", *nothing, ["llmcost_staff"], False)


def test_durability_is_as_in_production(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        assert cursor.fetchone() == ("on", "on")


# What one company has after one call; of every other table nothing.
SHOWN = {
    "accounts_account": 1,
    "accounts_auditevent": 2,
    "accounts_membership": 1,
    "projects_project": 1,
    "projects_apikey": 1,
    "events_event": 1,
    "events_delta": 1,
}
SEEN = " UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in TENANT_TABLES)


def test_without_a_tenant_no_row_is_seen_on_a_fresh_and_on_a_used_connection(
    committed, api, database_name
):
    acme = open_company("Acme", "alice@acme.example")
    api(acme.key, "POST", "/v1/events", {"model": "m", "input_tokens": 1, "output_tokens": 1})

    with psycopg.connect(database.app_dsn(database_name)) as fresh:
        assert fresh.execute(SEEN).fetchall() == [(0,)] * len(TENANT_TABLES)
    with tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute(SEEN)
        shown = dict(zip(TENANT_TABLES, [count for (count,) in cursor.fetchall()], strict=True))
        assert {table: count for table, count in shown.items() if count} == SHOWN
    with connection.cursor() as cursor:  # the same connection, after its transaction
        cursor.execute(SEEN)
        assert cursor.fetchall() == [(0,)] * len(TENANT_TABLES)


def test_a_foreign_row_cannot_be_written_or_moved(acme, globex):
    with tenant(acme.account.pk), connection.cursor() as cursor:
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            cursor.execute(
                "INSERT INTO projects_project (account_id, slug, name, timezone) VALUES (%s, 'x', 'x', 'UTC')",
                [globex.account.pk],
            )
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            cursor.execute("UPDATE projects_project SET account_id = %s", [globex.account.pk])
        cursor.execute(
            "UPDATE projects_project SET name = 'x' WHERE account_id = %s", [globex.account.pk]
        )
        assert cursor.rowcount == 0


def test_a_nested_tenant_gives_the_outer_one_back(acme, globex):
    with tenant(acme.account.pk):
        with tenant(globex.account.pk), connection.cursor() as cursor:
            cursor.execute("SELECT id FROM accounts_account")
            assert cursor.fetchall() == [(globex.account.pk,)]
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM accounts_account")
            assert cursor.fetchall() == [(acme.account.pk,)]


def test_threads_do_not_mix_up_their_tenants(committed):
    companies = [open_company(f"C{n}", f"c{n}@example.com").account.pk for n in range(2)]
    wrong: list[object] = []

    def look(account_id: int) -> None:
        try:
            for _ in range(40):
                with tenant(account_id), connection.cursor() as cursor:
                    cursor.execute("SELECT id FROM accounts_account")
                    if (seen := cursor.fetchall()) != [(account_id,)]:
                        wrong.append(seen)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look, args=[companies[n % 2]]) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_staff_role_sees_accounts_and_hints_but_no_call_and_no_hash(acme, api):
    api(acme.key, "POST", "/v1/events", {"model": "m", "input_tokens": 1, "output_tokens": 1})

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE llmcost_staff")
        cursor.execute("SELECT name FROM accounts_account")
        assert cursor.fetchall() == [("Acme",)]
        cursor.execute("SELECT hint FROM projects_apikey")
        assert cursor.fetchall() == [(acme.key_row.hint,)]
        for forbidden in (
            "SELECT digest FROM projects_apikey",
            "SELECT password FROM accounts_user",
            "SELECT 1 FROM accounts_session",
            "SELECT 1 FROM mfa_authenticator",
            "SELECT 1 FROM accounts_auditevent",
            "INSERT INTO accounts_supportgrant (reason) VALUES ('x')",
            "UPDATE accounts_supportgrant SET ends_at = now()",
            "INSERT INTO accounts_staffact (action) VALUES ('x')",
        ):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                cursor.execute(forbidden)
