"""Whose rows the current transaction may see.

The database decides, by row-level security; these context managers only say who asks. What they
set ends with the transaction (`SET LOCAL` inside the functions of migration 0001), so that a
pooled connection keeps nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction

from llmcost.tenancy.roles import STAFF


@contextmanager
def tenant(account_id: int, *, function: str = "llmcost_tenant") -> Iterator[None]:
    """Run a transaction that sees and writes one account's rows, and no others.

    `function` may be one that does something besides, in the same statement.
    """
    with _setting(function, "llmcost.account_id", str(account_id)):
        yield


@contextmanager
def tenant_snapshot(account_id: int) -> Iterator[datetime]:
    """Run a transaction that sees one account's rows as of one moment, and yield that moment.

    Only at the outside: a transaction that has begun otherwise cannot become one.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with tenant(account_id):
            cursor.execute("SELECT now()")
            yield cursor.fetchone()[0]


@contextmanager
def signed_in(user_id: int) -> Iterator[None]:
    """Run a transaction that sees which accounts this user is a member of, and nothing else."""
    with _setting("llmcost_user", "llmcost.user_id", str(user_id)):
        yield


@contextmanager
def presenting_key(digest: str) -> Iterator[None]:
    """Run a transaction that sees the one key whose keyed hash is `digest`, if there is one."""
    with _setting("llmcost_key", "llmcost.key_digest", digest):
        yield


@contextmanager
def paying_customer(customer_id: str) -> Iterator[None]:
    """Run a transaction that sees whose Stripe customer this is; for the worker alone."""
    with _setting("llmcost_customer", "llmcost.stripe_customer", customer_id):
        yield


@contextmanager
def presenting_invitation(token_hash: str) -> Iterator[None]:
    """Run a transaction that sees the one invitation whose token has this hash, if there is one."""
    with _setting("llmcost_invitation", "llmcost.invitation", token_hash):
        yield


@contextmanager
def presenting_sso(value: str) -> Iterator[None]:
    """Run a transaction that sees whose single sign-on has this e-mail domain or provider name."""
    with _setting("llmcost_sso", "llmcost.sso", value):
        yield


@contextmanager
def support_staff() -> Iterator[None]:
    """Run a transaction as the role of support staff, which sees no call but under a grant."""
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {STAFF}")
        yield
        if nested:
            cursor.execute("SET LOCAL ROLE NONE")


@contextmanager
def _setting(function: str, setting: str, value: str) -> Iterator[None]:
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        before = ""
        if nested:
            # A savepoint does not end SET LOCAL: put back what the outer block had set.
            cursor.execute("SELECT coalesce(current_setting(%s, true), '')", [setting])
            before = cursor.fetchone()[0]
        cursor.execute(f"SELECT {function}(%s)", [value])
        yield
        if nested:
            cursor.execute(f"SELECT {function}(%s)", [before])
