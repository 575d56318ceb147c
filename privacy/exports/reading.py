"""Reading an export into another installation: checked whole first, then written at once.

Nothing is written before every file has its checksum and every line its form. Then all of it is
one transaction: there is never half an account, a reading that was killed has left nothing and is
repeated, and one that is repeated after its end finds that it was done. What is read in again, and
what not, stands in `portability`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from msgspec import Meta, Struct

from accounts import audit
from accounts.errors import AlreadyInvited, AlreadyMember, MembersLimit, TooManyInvitations
from accounts.models import Account, Actor, AuditEvent, Membership, Role, User
from accounts.services import open_account
from accounts.team.invitations import invite
from events import imports
from events.imports import ImportedCall, ImportedRate
from events.ingest.store import FOLD
from events.ingest.validate import EARLIEST
from events.ingest.wire import Aware
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import signed_in, tenant
from privacy.exports.portability import CALLS, RATES
from privacy.exports.unpacking import File, ImportRefused, Unpacked, unpacked
from privacy.retention import RETAIN
from projects.models import Project
from projects.services import MOST_PROJECTS

BATCH = 2_000
MOST_DAYS = 2**31 - 1

# What is done, how much of it, and how much there is.
Progress = Callable[[str, int, int], None]

# PostgreSQL holds every character but this one.
_STORED = r"^[^\x00]*\Z"
_Text = Annotated[str, Meta(max_length=200, pattern=_STORED)]
_Word = Annotated[str, Meta(pattern=_STORED)]


class _Row(Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of a table that is read in again, with every column that an export has of it."""

    id: int


class _Company(_Row, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=_STORED)]
    # Of the other installation; see `portability`.
    public_id: Any
    created_at: Any
    closed_at: Any
    purge_due_at: Any
    suspended_at: Any
    sso_required: Any


class _Project(_Row, kw_only=True):
    account_id: int
    slug: Annotated[str, Meta(max_length=60, pattern=r"^[-a-zA-Z0-9_]+\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=_STORED)]
    timezone: str
    created_at: Aware
    archived_at: Aware | None
    retention_days: Annotated[int, Meta(ge=1, le=MOST_DAYS)] | None

    def __post_init__(self) -> None:
        if self.timezone not in _zones():
            raise ValueError("`timezone` is not known here")


class _Act(_Row, kw_only=True):
    account_id: int
    at: Aware
    actor: Actor
    user_id: int | None
    action: Annotated[str, Meta(max_length=60, pattern=r"^[a-z0-9_]+\.[a-z0-9_]+\Z")]
    subject: _Text
    member_id: int | None
    details: dict[_Text, _Word | int | float | bool | list[_Word] | None]

    def __post_init__(self) -> None:
        if not EARLIEST <= self.at <= clock.now():
            raise ValueError("`at` must be from 2015-01-01 to now, by the clock here")


class _Member(_Row, kw_only=True):
    user_id: int
    name: _Text
    email: str
    role: Role
    joined_at: Any

    def __post_init__(self) -> None:
        try:
            validate_email(self.email)
        except ValidationError:
            raise ValueError("`email` is no e-mail address") from None


class MissingKey(Struct):
    """A key that was live there, to be made anew here."""

    project_id: int
    name: _Text
    hint: _Text
    scopes: list[_Text]
    revoked_at: datetime | None


class _Refused(Struct):
    project_id: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of an export: the account, how many lines each file had, what is left to do."""

    account: Account
    was_there: bool
    lines: Mapping[str, int]
    missing_keys: list[tuple[str, MissingKey]]
    refused_users: Mapping[str, int]
    invited: int | None = None
    not_invited: str = ""


@dataclass(frozen=True, slots=True)
class _Checked:
    """The small tables of an export that was looked through, and how many lines each file has."""

    company: _Company
    projects: list[_Project]
    members: list[_Member]
    lines: Mapping[str, int]


def read_export(
    path: Path, *, owner: User, invite_members: bool = False, tell: Progress
) -> Reading:
    """Read an export into a new account of `owner`.

    The same export read again by the same owner changes nothing. Raises ImportRefused.
    """
    with unpacked(path) as export:
        checked = _check(export, tell)
        slugs = {project.id: project.slug for project in checked.projects}
        keys = [
            (_slug(slugs, key.project_id), key)
            for key in export.rows("projects_apikey", MissingKey)
            if key.revoked_at is None
        ]
        refused = Counter(
            _slug(slugs, one.project_id) for one in export.rows("privacy_refuseduser", _Refused)
        )
        before = _account_of(export.sha256, owner)
        account = before or _write(export, checked, owner, tell)
    invited, not_invited = (
        _invite(account, owner, checked.members) if invite_members else (None, "")
    )
    return Reading(account, before is not None, checked.lines, keys, refused, invited, not_invited)


# --- Checking --------------------------------------------------------------------------------
# What the lines of each file have to be; those of the other tables are any objects.
_FORMS: Mapping[str, type[Any]] = {
    CALLS: ImportedCall,
    RATES: ImportedRate,
    "accounts_account": _Company,
    "projects_project": _Project,
    "accounts_auditevent": _Act,
    "members": _Member,
    "projects_apikey": MissingKey,
    "privacy_refuseduser": _Refused,
}


def _check(export: Unpacked, tell: Progress) -> _Checked:
    """Look at every byte and every line before anything is written."""
    companies = list(export.rows("accounts_account", _Company))
    if len(companies) != 1:
        raise ImportRefused("accounts_account.json must have one line.")
    projects = list(export.rows("projects_project", _Project))
    slugs = {project.slug for project in projects}
    if len(slugs) != len(projects):
        raise ImportRefused("projects_project.json has two projects with one `slug`.")
    if len(projects) > MOST_PROJECTS:
        raise ImportRefused(f"An account has at most {MOST_PROJECTS} projects.")
    rates = {rate.id for rate in export.rows(RATES, ImportedRate)}
    lines: Counter[str] = Counter()
    done, whole = 0, sum(file.bytes for file in export.manifest.files)
    for file in export.manifest.files:
        tell("Checking every file and line", done, whole)
        table = file.name.partition("/")[0].partition(".")[0]
        if not file.name.endswith(".json"):
            for _ in export.chunks(file):
                pass
        elif table == CALLS:
            lines[CALLS] += _check_calls(export, file, slugs, rates)
        else:
            lines[table] += sum(1 for _ in export.lines(file, _FORMS.get(table, dict)))
        done += file.bytes
    if lines[CALLS] != export.manifest.calls:
        raise ImportRefused(
            f"The export holds {lines[CALLS]:,} calls, its manifest says {export.manifest.calls:,}."
        )
    return _Checked(companies[0], projects, list(export.rows("members", _Member)), lines)


def _check_calls(export: Unpacked, file: File, slugs: Collection[str], rates: set[int]) -> int:
    if _slug_of(file) not in slugs:
        raise ImportRefused(f"{file.name} is of a project that the export does not hold.")
    number = 0
    for number, call in export.lines(file, ImportedCall):
        if call.rate_id is not None and call.rate_id not in rates:
            raise ImportRefused(f"{file.name}, line {number}: its rate is not in {RATES}.json.")
    return number


def _slug_of(file: File) -> str:
    return file.name.split("/")[1]


def _slug(slugs: Mapping[int, str], project_id: int) -> str:
    if project_id not in slugs:
        raise ImportRefused("A key or a refusal is of a project that the export does not hold.")
    return slugs[project_id]


@cache
def _zones() -> set[str]:
    return available_timezones()


# --- Writing ---------------------------------------------------------------------------------
def _account_of(sha256: str, owner: User) -> Account | None:
    """Return the account into which this owner has read the same export before."""
    with signed_in(owner.pk):
        own = Membership.objects.filter(user_id=owner.pk, role=Role.OWNER).order_by("pk")
        account_ids = list(own.values_list("account_id", flat=True))
    for account_id in account_ids:
        with tenant(account_id):
            # A line that came with another export tells of another account.
            read = AuditEvent.objects.made_here().filter(
                account_id=account_id, action="data.imported", subject=sha256
            )
            if read.exists():
                return Account.objects.get(pk=account_id)
    return None


def _write(export: Unpacked, checked: _Checked, owner: User, tell: Progress) -> Account:
    imports.make_room()
    with transaction.atomic():
        account = open_account(user=owner, company=checked.company.name)
        with tenant(account.pk):
            projects = _write_projects(account, checked.projects)
            _write_trail(account, export)
            done = 0
            for file in export.call_files:
                for batch in _batches(call for _, call in export.lines(file, ImportedCall)):
                    tell("Reading calls in", done, export.manifest.calls)
                    if imports.store(account.pk, projects[_slug_of(file)], batch) < len(batch):
                        raise _stands_twice(export, {call.event_id for call in batch})
                    done += len(batch)
            due.schedule(FOLD, account.pk, clock.now())
            audit.record(account.pk, "data.imported", by=owner, subject=export.sha256, calls=done)
        # Last, because who else comes to use one of them has to wait until this is committed.
        for rate in export.rows(RATES, ImportedRate):
            imports.store_rate(rate)
    return account


def _write_projects(account: Account, projects: list[_Project]) -> dict[str, int]:
    # An account begins with a project of its own.
    Project.objects.filter(account_id=account.pk).delete()
    if any(project.retention_days for project in projects):
        due.schedule(RETAIN, account.pk, clock.now())
    return {
        project.slug: Project.objects.create(
            account=account,
            slug=project.slug,
            name=project.name,
            timezone=project.timezone,
            created_at=project.created_at,
            archived_at=project.archived_at,
            retention_days=project.retention_days,
        ).pk
        for project in projects
    }


def _write_trail(account: Account, export: Unpacked) -> None:
    """Write the acts of the other installation, so that none looks like one of this."""
    for batch in _batches(export.rows("accounts_auditevent", _Act)):
        AuditEvent.objects.bulk_create(
            AuditEvent(
                account=account,
                at=act.at,
                actor=act.actor,
                action=act.action,
                subject=act.subject,
                details=_marked(act),
            )
            for act in batch
        )


def _marked(act: _Act) -> dict[str, Any]:
    """Return an act's details with its people by the numbers they had: here those are others."""
    mark = AuditEvent.IMPORTED
    if mark in act.details:  # on its second journey
        return dict(act.details)
    people = {f"{mark}_user": act.user_id, f"{mark}_member": act.member_id}
    return act.details | {mark: True} | {name: who for name, who in people.items() if who}


def _batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _stands_twice(export: Unpacked, suspects: Collection[UUID]) -> ImportRefused:
    """Find the line whose event id an earlier one has; one of a batch that was not all new."""
    seen = set()
    for file in export.call_files:
        for number, call in export.lines(file, ImportedCall):
            if call.event_id in seen:
                return ImportRefused(f"{file.name}, line {number}: its `event_id` stands twice.")
            if call.event_id in suspects:
                seen.add(call.event_id)
    raise AssertionError("calls were not new although no id stands twice")


# --- Inviting --------------------------------------------------------------------------------
def _invite(account: Account, owner: User, members: list[_Member]) -> tuple[int, str]:
    """Offer the others their place; return how many were, and why the rest were not.

    Nobody is a member before they agree and have proved the address. Whoever was the owner is
    offered an admin's place: there is one owner.
    """
    invited = 0
    with tenant(account.pk):
        for member in members:
            if member.email.lower() == owner.email:
                continue
            role = Role.ADMIN if member.role == Role.OWNER else member.role
            try:
                invite(account.pk, email=member.email, role=role, by=owner)
            except (AlreadyMember, AlreadyInvited):
                continue
            except (MembersLimit, TooManyInvitations) as error:
                return invited, str(error)
            invited += 1
    return invited, ""
