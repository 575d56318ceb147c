"""Who may do what, as the server's own catalogue tells it."""

import psycopg
import pytest

from llmcost.installation import open_installation
from llmcost.tenancy import roles
from tests import database

LOGINS = {
    roles.OWNER: "owner_password",
    roles.APP: "app_password",
    roles.WORKER: "worker_password",
    roles.BROKER: "broker_password",
}


@pytest.fixture
def admin(database_name):
    with psycopg.connect(database.admin_dsn(database_name), autocommit=True) as connection:
        yield connection


def log_in(role: str, database_name: str) -> psycopg.Connection:
    password = getattr(open_installation(database.DATA), LOGINS[role])
    return psycopg.connect(roles.login_url(database.admin_dsn(database_name), role, password))


def test_nobody_who_logs_in_can_get_around_row_security(admin):
    rows = admin.execute(
        "SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb"
        " OR rolreplication FROM pg_roles WHERE rolname LIKE 'llmcost%'"
    ).fetchall()

    assert sorted(rows) == [
        (roles.APP, True, False),
        (roles.BROKER, True, False),
        (roles.OWNER, True, False),
        (roles.STAFF, False, False),
        (roles.WORKER, True, False),
    ]


MEMBER_OF = {
    # Becomes it for one transaction, inherits nothing.
    roles.APP: (roles.STAFF, False, True, False),
    # Inherits what the app may do, cannot become it.
    roles.WORKER: (roles.APP, True, False, False),
}


@pytest.mark.parametrize("role", MEMBER_OF)
def test_app_and_worker_own_nothing_and_belong_to_one_role(admin, role):
    owned = admin.execute(
        "SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", [role]
    ).fetchone()
    memberships = admin.execute(
        "SELECT roleid::regrole::text, inherit_option, set_option, admin_option"
        " FROM pg_auth_members WHERE member = %s::regrole",
        [role],
    ).fetchall()

    assert owned == (0,)
    assert memberships == [MEMBER_OF[role]]


def test_the_worker_has_no_right_of_the_staffs(admin, database_name):
    with (
        log_in(roles.WORKER, database_name) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SET ROLE {roles.STAFF}")

    assert admin.execute(
        "SELECT pg_has_role(%s, %s, 'USAGE')", [roles.WORKER, roles.STAFF]
    ).fetchone() == (False,)


@pytest.mark.parametrize("statement", ["CREATE TABLE public.mine ()", "SET ROLE llmcost_owner"])
@pytest.mark.parametrize("role", [roles.APP, roles.WORKER, roles.BROKER])
def test_neither_app_nor_broker_may_create_or_become_the_owner(database_name, role, statement):
    with (
        log_in(role, database_name) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_the_broker_owns_its_queues_and_reads_no_table_of_ours(admin, database_name):
    owners = admin.execute(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class"
        " WHERE relnamespace = 'pgmq'::regnamespace"
    ).fetchall()

    assert owners == [(roles.BROKER,)]
    with log_in(roles.BROKER, database_name) as connection:
        connection.execute("SELECT pgmq.create('wake_up')")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM public.llmcost_heartbeat")


@pytest.mark.parametrize(
    ("role", "settings"),
    [(roles.APP, roles.APP_SETTINGS), (roles.WORKER, roles.WORKER_SETTINGS)],
)
def test_neither_a_request_nor_a_task_can_hold_the_database(database_name, role, settings):
    with log_in(role, database_name) as connection:
        found = {
            name: connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0]
            for name in settings
        }

    assert found == settings


@pytest.mark.parametrize(
    ("admin_url", "login"),
    [
        ("postgresql://boss:pw@db.example/shop", "postgresql://llmcost_app:p%2Fw@db.example/shop"),
        (
            "postgres://boss@db.example:6000",
            "postgresql://llmcost_app:p%2Fw@db.example:6000/llmcost",
        ),
        (
            "postgresql://boss@/shop?host=%2Frun&sslmode=require",
            "postgresql://llmcost_app:p%2Fw@/shop?host=%2Frun&sslmode=require",
        ),
        (
            "postgresql://postgres.abcd:pw@eu.pooler.supabase.com/postgres",
            "postgresql://llmcost_app.abcd:p%2Fw@eu.pooler.supabase.com/postgres",
        ),
    ],
)
def test_a_login_differs_from_the_administrators_in_who_logs_in_only(admin_url, login):
    assert roles.login_url(admin_url, roles.APP, "p/w") == login
