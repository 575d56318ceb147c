"""The admin among 100,000 accounts: every statement of its pages finds its rows by an index."""

import psycopg
import pytest
from django.db import connection

from tests import database
from tests.accounts.staff import employ

MANY = 100_000
FILL = f"""
    INSERT INTO accounts_account (id, public_id, name, created_at, sso_required)
        SELECT n, gen_random_uuid(), 'Company ' || n, now(), false
        FROM generate_series(1, {MANY}) AS n;
    INSERT INTO accounts_user (id, password, is_superuser, email, name, is_active, is_staff,
            accepted_policy_version, accepted_terms_version, joined_at)
        SELECT n, '', false, 'person' || n || '@example.com', 'Person ' || n, true, false, '', '',
            now()
        FROM generate_series(1, {MANY}) AS n;
    INSERT INTO account_emailaddress (user_id, email, verified, "primary")
        SELECT id, email, true, true FROM accounts_user;
    INSERT INTO accounts_membership (account_id, user_id, role, joined_at)
        SELECT n, n, 'owner', now() FROM generate_series(1, {MANY}) AS n;
    INSERT INTO projects_project (id, account_id, slug, name, timezone, created_at)
        SELECT n, n, 'prod', 'prod', 'UTC', now() FROM generate_series(1, {MANY}) AS n;
    INSERT INTO projects_apikey (account_id, project_id, name, note, digest, hint, scopes,
            created_at)
        SELECT n, n, 'Key', '', n::text,
            'llmc_live_…' || substr(md5(n::text), 1, 4), '{{read}}', now()
        FROM generate_series(1, {MANY}) AS n;
    INSERT INTO accounts_staffact (at, staff_id, account_id, action, subject, reason)
        SELECT now(), 1, n, 'support.noted', '', 'x' FROM generate_series(1, {MANY}) AS n;
    SELECT setval(pg_get_serial_sequence('accounts_user', 'id'), {MANY});
"""
BIG = {
    *("accounts_account", "accounts_user", "accounts_membership", "account_emailaddress"),
    *("projects_project", "projects_apikey", "accounts_staffact"),
}
ACCOUNTS = "/admin/accounts/account/"
PAGES = [
    ACCOUNTS,
    f"{ACCOUNTS}?before=50000",
    f"{ACCOUNTS}?q=company+77",
    f"{ACCOUNTS}?q=nobody",
    f"{ACCOUNTS}?q=Person4711@Example.com",
    f"{ACCOUNTS}?q=person",
    f"{ACCOUNTS}?q=c4ca",
    f"{ACCOUNTS}?q=cus_nobody",
    f"{ACCOUNTS}?q=4711",
    f"{ACCOUNTS}4711/",
    "/admin/accounts/staffact/",
    "/admin/accounts/staffact/?before=500",
    "/admin/accounts/staffact/4711/",
]


@pytest.fixture
def crowd(committed, database_name):
    with psycopg.connect(database.admin_dsn(database_name), autocommit=True) as server:
        # The rows fit by construction; asking each of their keys would take most of the time.
        server.execute("SET session_replication_role = replica")
        server.execute(FILL)
        server.execute(f"ANALYZE {', '.join(BIG)}")
    yield employ("sam@support.example", "Sam Ito", "support", "privacy officer").client
    with psycopg.connect(database.admin_dsn(database_name), autocommit=True) as server:
        # The statistics of a crowd would mislead the tests after this one.
        server.execute(f"TRUNCATE {', '.join(BIG)} CASCADE")
        server.execute(f"ANALYZE {', '.join(BIG)}")


def scans(plan: dict) -> list[str]:
    """The tables that a plan reads from end to end."""
    found = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    return found + [table for part in plan.get("Plans", []) for table in scans(part)]


def test_no_page_reads_a_whole_table(crowd):
    whole, asked = set(), set()

    for page in PAGES:

        def explained(execute, sql, params, many, context, page=page):
            if sql.startswith("SELECT") and any(f'"{table}"' in sql for table in BIG):
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                    [[plan]] = cursor.fetchall()
                asked.add(page)
                whole.update((page, table) for table in BIG & set(scans(plan[0]["Plan"])))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(explained):
            assert crowd.get(page).status_code == 200, page

    assert asked == set(PAGES)
    assert whole == set()
