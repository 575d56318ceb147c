"""What we hold about one person: a member of ours, or an end user of a customer's."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

from accounts import audit
from accounts.models import Account, Actor, AuditEvent, Membership, User
from events.sql import statement
from llmcost import clock
from llmcost.inventory import Category
from llmcost.tenancy.context import signed_in, tenant
from privacy import erasure, receipts
from privacy.correspondence import services as letters
from privacy.exports.content import SECRET, as_csv, as_json, call_columns
from privacy.inventory.registry import declared_columns
from privacy.plan import tables
from projects.models import Project

ROWS_AT_ONCE = 5_000


class Form(StrEnum):
    """How the calls of an end user are written: lines of JSON, or CSV for a spreadsheet."""

    JSON = "json"
    CSV = "csv"

    @property
    def content_type(self) -> str:
        """The type of such a file."""
        return "text/csv; charset=utf-8" if self is Form.CSV else "application/x-ndjson"


def held_about(user: User) -> dict[str, Any]:
    """Return everything that we hold about a member, in every account; secrets by kind only."""
    held: dict[str, Any] = {
        "as_of": clock.now().isoformat(),
        "person": _rows("accounts_user", "id", user.pk),
        "letters": [asdict(thread) for thread in letters.threads_of(user.email)],
    }
    of_accounts = {table.name for table in tables()}
    for relation in User._meta.related_objects:
        table = relation.related_model._meta.db_table
        if table in of_accounts or relation.many_to_many or relation.hidden:
            continue
        held[table] = _rows(table, relation.field.column, user.pk)
    with signed_in(user.pk):
        own = list(Membership.objects.filter(user_id=user.pk).values("account_id", "role"))
    held["accounts"] = [_in_account(one["account_id"], one["role"], user) for one in own]
    return held


def _in_account(account_id: int, role: str, user: User) -> dict[str, Any]:
    with tenant(account_id):
        account = user.memberships.get(account_id=account_id).account
        acts = AuditEvent.objects.filter(account_id=account_id)
        return {
            "company": account.name,
            "role": role,
            "acts": list(acts.filter(user_id=user.pk).values("at", "action", "subject", "details")),
            "done_to": list(acts.filter(member_id=user.pk).values("at", "action", "details")),
        }


def _rows(table: str, column: str, value: int) -> list[dict[str, Any]]:
    declared = declared_columns(table) or {}
    shown = [name for name, one in declared.items() if one.category not in SECRET]
    hidden = [name for name, one in declared.items() if one.category == Category.CREDENTIAL]
    if not shown:
        return []
    names = ", ".join(f'"{name}"' for name in shown)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {table} WHERE {column} = %s", [value])
        return [
            dict(zip(shown, row, strict=True)) | dict.fromkeys(hidden, "(a secret; kept as a hash)")
            for row in cursor.fetchall()
        ]


def hand_out(project: Project, user_id: str, form: Form, *, by: User | None) -> Iterator[bytes]:
    """Return all calls of an end user, part by part, and note that they were handed out.

    In the account's context; `by` is None for a key. Raises NothingHeld. The note names the user
    by the keyed hash that stands in receipts too.
    """
    calls = erasure.preview(project, user_id=user_id)
    if not calls:
        raise erasure.NothingHeld
    account = Account.objects.get(pk=project.account_id)
    audit.record(
        account.pk,
        "data.user_exported",
        by=by,
        actor=None if by else Actor.KEY,
        subject=receipts.reference("user", account.public_id, project.pk, user_id),
        project=project.slug,
        calls=calls,
        format=form,
    )
    return _calls_of(account.pk, project.pk, user_id, form)


def _calls_of(account_id: int, project_id: int, user_id: str, form: Form) -> Iterator[bytes]:
    """Yield an end user's calls by time, some thousand at once, each in its own transaction."""
    names = call_columns()
    if form is Form.CSV:
        yield as_csv([names])
    sql = statement("user_events").format(columns=", ".join(names))
    at, number = names.index("created_at"), names.index("event_id")
    after: tuple[datetime, UUID] = datetime(2000, 1, 1, tzinfo=UTC), UUID(int=0)
    while True:
        with tenant(account_id), connection.cursor() as cursor:
            cursor.execute(
                sql,
                {
                    "account": account_id,
                    "project": project_id,
                    "user": user_id,
                    "after_time": after[0],
                    "after_id": after[1],
                    "limit": ROWS_AT_ONCE,
                },
            )
            rows = cursor.fetchall()
        yield as_csv(rows) if form is Form.CSV else as_json(names, rows)
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1][at], rows[-1][number]
