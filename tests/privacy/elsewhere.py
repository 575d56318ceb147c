"""A second installation: another database, other secrets, nobody signed up there yet."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import psycopg
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from accounts.models import Account, Membership, Role, User
from llmcost.tenancy.context import signed_in, tenant
from privacy.exports import services
from privacy.models import Export
from projects.models import Project, Scope
from projects.services import issue_key
from tests import database
from tests.conftest import forget_everything

SECRETS = {
    "SECRET_KEY": "elsewhere",
    "ERASURE_SECRET": "elsewhere",
    "KEY_PEPPERS": ["elsewhere"],
    "DEPLOYMENT": "self-hosted",
    "SELF_HOSTED": True,
}
Elsewhere = Callable[[], AbstractContextManager[None]]


@contextmanager
def installation(name: str, blocker: Any) -> Iterator[Elsewhere]:
    """Make a database of another installation, and yield what goes there for a while."""
    database.copy(name)

    @contextmanager
    def there() -> Iterator[None]:
        link = connections["default"]
        home = link.settings_dict["NAME"]
        with blocker.unblock(), override_settings(**SECRETS):
            _move(name)
            try:
                yield
            finally:
                _move(home)

    yield there
    database.drop(name)


def _move(name: str) -> None:
    connections.close_all()
    connections["default"].settings_dict["NAME"] = name
    forget_everything()


def somebody(email: str) -> User:
    """A person who has signed up here, whether or not they did so before."""
    found = User.objects.filter(email=email).first()
    return found or User.objects.create_user(email, "correct horse battery", name="New")


def read(path: Path, email: str = "new@owner.example", *options: str) -> SimpleNamespace:
    """Read an export in for somebody, and return their account with what the command said."""
    owner, said = somebody(email), io.StringIO()
    call_command("import_account", str(path), "--owner", email, *options, stdout=said)
    with signed_in(owner.pk):
        own = Membership.objects.filter(user=owner, role=Role.OWNER).order_by("pk")
        account_id = own.values_list("account_id", flat=True).last()
    with tenant(account_id):
        account = Account.objects.get(pk=account_id)
    return SimpleNamespace(account=account, owner=owner, said=said.getvalue())


def export_of(account: Account, owner: User) -> Path:
    """Write an export of an account and return where it is."""
    with tenant(account.pk):
        asked = services.ask(account.pk, by=owner)
    assert services.write(asked) is True
    with tenant(account.pk):
        return services.path_of(Export.objects.get(pk=asked.pk))


def key_of(account: Account, slug: str = "prod") -> str:
    """Make a key with which a project's reports are read."""
    with tenant(account.pk):
        project = Project.objects.get(account_id=account.pk, slug=slug)
        return issue_key(project, name="R", scopes=[Scope.READ], by=None)[1]


def contents(path: Path) -> dict[str, bytes]:
    """Return every file of an export."""
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows_of(name: str) -> dict[str, int]:
    """Return how many rows each table has, seen as nobody of the product can."""
    with psycopg.connect(database.admin_dsn(name)) as link:
        tables = link.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        counts = " UNION ALL ".join(f"SELECT '{t}', count(*) FROM {t}" for (t,) in tables)
        return dict(link.execute(counts).fetchall())
