"""The standing cast and the real things they use: PostgreSQL, the site, the clock."""

import io
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from hypothesis import settings as hypothesis_settings

from tests import database
from tests.marks import found_in

# How long an example takes says how busy the machine is, and nothing of the code.
hypothesis_settings.register_profile("any pace", deadline=None)
hypothesis_settings.load_profile("any pace")


def pytest_configure(config: pytest.Config) -> None:
    """Start the server once, in the process that outlives all workers."""
    if not hasattr(config, "workerinput"):
        database.server().start()
        database.make_template()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run where tests that share one browser or one site would be parted."""
    if hasattr(session.config, "workerinput"):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError("this pytest hides the groups of tests from xdist")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the whole suite with a search of all that it has left for marked prompts."""
    if hasattr(session.config, "workerinput"):
        return
    left = found_in(database.DATA)
    if left:
        sys.stderr.write(f"\nA marked prompt is in {', '.join(map(str, left))}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop it with the last test."""
    if not hasattr(config, "workerinput"):
        database.server().stop()


@pytest.fixture(scope="session")
def database_name() -> Iterator[str]:
    """A database of this test process, like the template."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    database.copy(name)
    yield name
    connections.close_all()
    database.drop(name)


@pytest.fixture(scope="session")
def django_db_setup(database_name: str, django_db_blocker: Any) -> None:
    """Use that database as the application role; Django does not make one of its own."""
    settings.DATABASES["default"]["NAME"] = database_name
    connections["default"].settings_dict["NAME"] = database_name


def forget_everything() -> None:
    """Forget what a process remembers: keys, rates, buckets."""
    from events.ingest import erased_users, store
    from llmcost.api import throttle
    from privacy.analytics import counter
    from projects.keys import partners, resolve

    counter.forget()
    resolve.forget()
    erased_users.forget()
    partners.forget()
    throttle._buckets.clear()
    store._known_rates.clear()
    store._woken.clear()


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """What a process remembers belongs to one test."""
    forget_everything()
    yield


BIG_TABLES = re.compile(r"\b(?:events_event|events_delta|events_quarter|events_user_day)\b")
NAMES_THE_ACCOUNT = re.compile(
    r"account_id\s*=\s*(?:%|\$|a\.)|\(\s*account_id,[^)]*\)\s*(?:SELECT|VALUES)"
)


def _every_statement_names_the_account(
    execute: Any, sql: Any, params: Any, many: bool, context: Any
) -> Any:
    """On Citus a statement on a distributed table without its account goes to every shard and is
    not one snapshot, so a report could be wrong; here, on one server, only this shows it."""
    text = str(sql)
    if (
        BIG_TABLES.search(text)
        and not NAMES_THE_ACCOUNT.search(text)
        and not text.startswith("VACUUM")  # of whole tables, and of no rows
    ):
        frame = sys._getframe(1)
        while "site-packages" in frame.f_code.co_filename or "conftest" in frame.f_code.co_filename:
            frame = frame.f_back
        if (
            "/tests/" not in frame.f_code.co_filename
            and "contextlib" not in frame.f_code.co_filename
        ):
            raise AssertionError(
                f"{frame.f_code.co_filename} does not name account_id: {text[:200]}"
            )
    return execute(sql, params, many, context)


@pytest.fixture(autouse=True)
def _statements(request: pytest.FixtureRequest) -> Iterator[None]:
    if not {"db", "committed"} & set(request.fixturenames):
        yield
        return
    with connections["default"].execute_wrapper(_every_statement_names_the_account):
        yield


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any, database_name: str) -> Iterator[None]:
    """Real transactions, for what happens between connections; emptied afterwards."""
    with django_db_blocker.unblock():
        yield
        connections.close_all()
    database.empty(database_name)


def sign_in(user: Any) -> Client:
    """A browser in which somebody has just signed in with their password."""
    client = Client()
    client.force_login(user)
    prove_again(client, user)
    return client


def prove_again(client: Client, user: Any, *, ago: float = 0) -> None:
    """Note in the browser's session, as allauth does, that it was really them `ago` seconds ago."""
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time() - ago, "email": user.email}
    ]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()


def open_company(name: str, email: str) -> SimpleNamespace:
    """A company with its owner, its first project and a key that may send and read."""
    from accounts.models import User
    from accounts.services import open_account
    from llmcost.tenancy.context import tenant
    from projects.models import Project, Scope
    from projects.services import issue_key

    owner = User.objects.create_user(email, "correct horse battery", name=name)
    owner.emailaddress_set.create(email=email, verified=True, primary=True)
    account = open_account(user=owner, company=name)
    with tenant(account.pk):
        project = Project.objects.get(account_id=account.pk)
        row, key = issue_key(project, name="Tests", scopes=[Scope.INGEST, Scope.READ], by=owner)
    client = sign_in(owner)
    return SimpleNamespace(
        account=account, owner=owner, project=project, key=key, key_row=row, client=client
    )


@pytest.fixture
def acme(db: None) -> SimpleNamespace:
    """Alice's company."""
    return open_company("Acme", "alice@acme.example")


@pytest.fixture
def globex(db: None) -> SimpleNamespace:
    """Carol's company: whatever Acme does, Globex must neither see nor notice."""
    return open_company("Globex", "carol@globex.example")


@pytest.fixture
def api() -> Callable[..., Any]:
    """Call the API as a key: `api(key, "POST", "/v1/events", body)`."""
    client = Client()

    def call(key: str | None, method: str, path: str, body: Any = b"", **extra: Any) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= extra.pop("headers", {})
        content_type = extra.pop("content_type", "application/json")
        if not isinstance(body, bytes | str):
            import json

            body = json.dumps(body)
        return client.generic(
            method, path, body, content_type=content_type, headers=headers, **extra
        )

    return call


@pytest.fixture
def log_lines() -> Iterator[Callable[[], str]]:
    """What the processes of the product would have written to their logs so far."""
    [handler] = [one for one in logging.getLogger().handlers if one.get_name() == "stderr"]
    written = io.StringIO()
    ours = logging.StreamHandler(written)
    ours.setFormatter(handler.formatter)
    logging.getLogger().addHandler(ours)
    yield written.getvalue
    logging.getLogger().removeHandler(ours)
