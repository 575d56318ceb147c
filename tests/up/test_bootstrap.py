"""Making the roles on a server of its own, because roles belong to the whole server."""

from collections.abc import Iterator

import psycopg
import pytest

from llmcost.installation import Installation, open_installation
from llmcost.tenancy import roles
from llmcost.up import CannotStart
from llmcost.up.postgres import EmbeddedPostgres
from tests.up.site import new_place


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with new_place() as directory:
        server = EmbeddedPostgres(directory / "data")
        server.start()
        yield server
        server.stop()


@pytest.fixture
def installation(server: EmbeddedPostgres) -> Installation:
    """The secrets of a server that has been bootstrapped before."""
    installation = open_installation(server.data_dir)
    roles.bootstrap(server.admin_dsn, installation)
    return installation


@pytest.fixture
def admin(server: EmbeddedPostgres, installation: Installation) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        yield connection


def test_a_changed_secrets_file_heals(server, installation, admin):
    url = roles.login_url(server.admin_dsn, roles.OWNER, installation.owner_password)
    admin.execute(f"ALTER ROLE {roles.OWNER} PASSWORD 'something else'")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)

    roles.bootstrap(server.admin_dsn, installation)

    psycopg.connect(url).close()


# Whoever has granted it: each administrator's grant is one of its own.
LET_GO = f"""
    DO $$ DECLARE giver regrole; BEGIN
        FOR giver IN SELECT grantor FROM pg_auth_members
            WHERE roleid = '{roles.APP}'::regrole AND member = '{roles.WORKER}'::regrole
        LOOP
            EXECUTE format('REVOKE {roles.APP} FROM {roles.WORKER} GRANTED BY %s', giver);
        END LOOP;
    END $$
"""


@pytest.mark.parametrize(
    ("give", "take"),
    [
        (f"ALTER ROLE {roles.STAFF} BYPASSRLS", f"ALTER ROLE {roles.STAFF} NOBYPASSRLS"),
        (f"GRANT {roles.OWNER} TO {roles.APP}", f"REVOKE {roles.OWNER} FROM {roles.APP}"),
        (f"GRANT {roles.OWNER} TO {roles.WORKER}", f"REVOKE {roles.OWNER} FROM {roles.WORKER}"),
        (
            f"{LET_GO}; GRANT {roles.WORKER} TO {roles.APP}",
            f"REVOKE {roles.WORKER} FROM {roles.APP}",
        ),
    ],
)
def test_a_role_that_can_get_around_row_security_is_refused(
    server, installation, admin, give, take
):
    admin.execute(give)
    try:
        with pytest.raises(CannotStart, match="get around row security"):
            roles.bootstrap(server.admin_dsn, installation)
    finally:
        admin.execute(take)


def test_an_administrator_need_not_be_a_superuser(server, installation, admin):
    admin.execute("CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD 'x'")
    admin.execute(
        f"GRANT {roles.OWNER}, {roles.APP}, {roles.WORKER}, {roles.BROKER}, {roles.STAFF} TO boss"
        " WITH ADMIN OPTION"
    )
    url = roles.login_url(server.admin_dsn, "boss", "x", "managed")

    for _ in range(2):
        roles.bootstrap(url, installation, "managed")

    owner = admin.execute(
        "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'managed'"
    ).fetchone()
    assert owner == (roles.OWNER,)


def test_who_may_not_create_roles_is_told_so(server, installation, admin):
    admin.execute("CREATE ROLE nobody_special LOGIN PASSWORD 'x'")

    with pytest.raises(CannotStart, match="must be allowed to create roles"):
        roles.bootstrap(roles.login_url(server.admin_dsn, "nobody_special", "x"), installation)


def test_the_roles_of_a_public_rest_api_reach_nothing(server, installation, admin):
    # Supabase's; there, whatever they may read anybody on the internet may read.
    admin.execute("CREATE ROLE anon")
    owner = roles.login_url(
        server.admin_dsn, roles.OWNER, installation.owner_password, roles.DATABASE
    )
    with psycopg.connect(owner) as connection:
        connection.execute("CREATE TABLE seen ()")
        connection.execute("GRANT ALL ON seen TO anon")
        connection.execute("GRANT USAGE ON SCHEMA public TO anon")

    roles.bootstrap(server.admin_dsn, installation)

    with psycopg.connect(owner) as connection:
        allowed = connection.execute(
            "SELECT has_schema_privilege('anon', 'public', 'USAGE'),"
            " has_table_privilege('anon', 'seen', 'SELECT')"
        ).fetchone()
    assert allowed == (False, False)


def test_a_schema_pgmq_of_somebody_else_is_left_alone(server, installation, admin):
    admin.execute("CREATE DATABASE shared")
    url = server.admin_dsn.replace("@/postgres?", "@/shared?")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA pgmq")

    with pytest.raises(CannotStart, match="CELERY_BROKER_URL"):
        roles.bootstrap(url, installation, "shared")

    roles.bootstrap(url, installation, "shared", with_broker=False)
