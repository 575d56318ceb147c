"""Reading the audit trail: what is asked, a page of it, and the file that leaves with it."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import Q, QuerySet

from accounts.audit import ACTIONS
from accounts.models import Actor, AuditEvent, Membership
from llmcost.errors import InvalidParameter
from llmcost.web.sheets import text_cell

PAGE = 50
# Newest first; more than this is asked for by time.
MOST_EXPORTED = 50_000
FORMER = "former member"
# Who acted where it was nobody of the account.
OTHERS = {
    Actor.SUPPORT: "our support",
    Actor.KEY: "an API key",
    Actor.SYSTEM: "the service",
}
# The part of an action's name before the dot, as the filter says it.
GROUPS = {
    group: group.replace("_", " ").capitalize()
    for group in sorted({action.partition(".")[0] for action in ACTIONS})
}
COLUMNS = ("at", "actor", "person", "action", "act", "subject", "member", "details")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which lines are asked for; days are those of UTC, both included."""

    account_id: int
    group: str = ""
    user_id: int | None = None
    first: date | None = None
    last: date | None = None

    def lines(self) -> QuerySet[AuditEvent]:
        """Return the lines, newest first."""
        found = AuditEvent.objects.filter(account_id=self.account_id)
        if self.group:
            found = found.filter(action__startswith=f"{self.group}.")
        if self.user_id is not None:
            found = found.filter(Q(user_id=self.user_id) | Q(member_id=self.user_id))
        if self.first:
            found = found.filter(at__gte=datetime.combine(self.first, time.min, UTC))
        if self.last:
            found = found.filter(at__lte=datetime.combine(self.last, time.max, UTC))
        return found.order_by("-at", "-pk")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the trail as it is read: with names instead of numbers."""

    at: datetime
    actor: str
    person: str
    action: str
    act: str
    subject: str
    member: str
    details: dict[str, Any]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The details as words."""
        return [
            (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else str(value))
            for name, value in self.details.items()
            if value is not None
        ]


def page(question: Question, before: str = "") -> tuple[list[Line], str]:
    """Return the lines older than the cursor `before`, and the cursor of what comes after them.

    Raises InvalidParameter for a cursor that we did not write.
    """
    found = question.lines()
    if before:
        at, number = _read_cursor(before)
        # Row values, so that the index leads to the place whatever the page.
        found = found.filter(Q(at__lt=at) | Q(at=at, pk__lt=number), at__lte=at)
    rows = list(found[: PAGE + 1])
    shown = rows[:PAGE]
    more = f"{shown[-1].at.isoformat()}_{shown[-1].pk}" if len(rows) > PAGE else ""
    return _named(question.account_id, shown), more


def export(question: Question) -> list[Line]:
    """Return the newest MOST_EXPORTED lines."""
    return _named(question.account_id, list(question.lines()[:MOST_EXPORTED]))


def as_csv(lines: list[Line]) -> str:
    """Write lines as CSV with a header, which no spreadsheet takes for formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines:
        written = _written(line)
        written["details"] = json.dumps(line.details, ensure_ascii=False) if line.details else ""
        writer.writerow([text_cell(written[name]) for name in COLUMNS])
    return out.getvalue()


def as_json(lines: list[Line]) -> str:
    """Write lines as a JSON array of objects."""
    return json.dumps([_written(line) for line in lines], ensure_ascii=False, indent=1)


def _written(line: Line) -> dict[str, Any]:
    return {name: getattr(line, name) for name in COLUMNS} | {"at": line.at.isoformat()}


def _named(account_id: int, events: list[AuditEvent]) -> list[Line]:
    """Put names to numbers: of those who are members now, and of nobody else."""
    own = Membership.objects.filter(account_id=account_id).select_related("user")
    names: dict[int | None, str] = {
        one.user_id: f"{one.user.name} <{one.user.email}>" for one in own
    }
    return [
        Line(
            at=event.at,
            actor=event.actor,
            person=(
                OTHERS[Actor(event.actor)]
                if event.actor in OTHERS
                else names.get(event.user_id, FORMER)
            ),
            action=event.action,
            # An act that a newer release recorded is shown by its name.
            act=ACTIONS.get(event.action, event.action),
            subject=event.subject,
            member=names.get(event.member_id, FORMER) if event.member_id else "",
            details=event.details,
        )
        for event in events
    ]


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    at, _, number = cursor.rpartition("_")
    try:
        return datetime.fromisoformat(at).astimezone(UTC), min(int(number), 2**63 - 1)
    except (ValueError, OverflowError):
        raise InvalidParameter("`before` is not a place in this list.") from None
