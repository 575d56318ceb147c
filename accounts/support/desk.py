"""What our staff sees and does with one account: panels, acts and ways to find it.

Each app offers its own from its `admin.py`, so that this page knows none of them. A panel and a
finder run as the database role of staff, which only reads. An act runs as the application inside
the account's context, like the same act of the customer, and never by a right of staff to write.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from accounts import audit
from accounts.models import Account, User
from accounts.support.duties import Power
from accounts.support.grants import record_act
from llmcost.errors import AppError
from llmcost.tenancy.context import tenant

Choices = list[tuple[str, str]]


class CannotAct(AppError):
    """The act cannot be done as things are now; the message says why."""

    code, status = "cannot_act", 409


@dataclass(frozen=True, slots=True)
class Done:
    """What an act was done to, for both trails: a thing by name, a person as such."""

    subject: str = ""
    member: User | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A part of the account's page: a template and what it shows."""

    title: str
    template: str
    power: Power
    context: Callable[[int], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that staff may do with an account, always with a reason.

    `action` is a name of accounts.audit.ACTIONS. `choices` says to what it can be done now, for an
    act that needs to be told; with none it is not offered. `run` does it, or raises CannotAct (or
    what the ordinary service raises).
    """

    name: str
    label: str
    explains: str
    action: str
    power: Power
    run: Callable[[Account, str, User], Done]
    choices: Callable[[int], Choices] | None = None
    choice_label: str = ""


PANELS: list[Panel] = []
ACTS: dict[str, Act] = {}
# Each takes what was typed and returns the ids of accounts, by an index and none if it is no such
# thing.
FINDERS: list[Callable[[str], Iterable[int]]] = []
# So many are shown of what one finder finds; whoever finds more types more.
MOST_FOUND = 50


def offer(*parts: Panel | Act) -> None:
    """Put panels and acts on the page of an account."""
    for part in parts:
        if isinstance(part, Panel):
            PANELS.append(part)
        elif part.action not in audit.ACTIONS:
            raise ValueError(f"{part.action} is not in accounts.audit.ACTIONS")
        else:
            ACTS[part.name] = part


def find(text: str) -> set[int]:
    """Return the ids of the accounts that any finder finds."""
    wanted = text.strip()
    if not wanted or "\0" in wanted:  # which PostgreSQL has no text for
        return set()
    return {account_id for finder in FINDERS for account_id in finder(wanted)}


def perform(act: Act, account_id: int, *, target: str, reason: str, by: User) -> None:
    """Do it and write it into both trails, in one transaction. Raises CannotAct."""
    with audit.by_support(), tenant(account_id):
        done = act.run(Account.objects.get(pk=account_id), target, by)
        record_act(
            account_id, act.action, by=by, subject=done.subject, reason=reason, member=done.member
        )
