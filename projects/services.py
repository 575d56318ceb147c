"""Every write to projects and keys."""

from datetime import UTC, datetime, timedelta
from itertools import count

from django.db import transaction
from django.db.models import Min
from django.utils.text import slugify

from accounts import audit
from accounts.models import Account, User
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant
from projects.errors import KeyIsOver, TooManyKeys, TooManyProjects
from projects.keys import hashing
from projects.keys.format import Kind, hint, new_key
from projects.models import ApiKey, Project, Scope

FIRST_PROJECT = "prod"
# Of one account; more than anybody keeps apart.
MOST_PROJECTS = 500
# The most letters that an address takes from a name, so that a number after it has room.
SLUG_LENGTH = 50
# For a name without a single latin letter or digit.
FALLBACK_SLUG = "project"
# Of one project; more than anybody runs, and few enough for one page.
MOST_LIVE_KEYS = 100
# How long both keys may work after a rotation.
OVERLAPS = tuple(timedelta(hours=hours) for hours in (0, 1, 24, 72, 7 * 24))
# What the list of due work calls keys whose end comes.
EXPIRY = "key_expiry"
# How long a worker may take for one account before another tries.
LEASE = timedelta(minutes=1)
LOOK_AGAIN = timedelta(days=1)


@transaction.atomic
def open_project(
    account: Account, *, name: str, timezone: str = "UTC", by: User | None = None
) -> Project:
    """Open a project whose address is made from its name.

    `by` is None for the project with which an account begins. Raises TooManyProjects.
    """
    # One at a time, so that the bound holds and no two find the same address free.
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    taken = set(Project.objects.filter(account_id=account.pk).values_list("slug", flat=True))
    if len(taken) >= MOST_PROJECTS:
        raise TooManyProjects(MOST_PROJECTS)
    project = Project.objects.create(
        account=account, slug=_free_slug(name, taken), name=name, timezone=timezone
    )
    if by is not None:
        audit.record(account.pk, "project.created", by=by, subject=project.slug)
    return project


@transaction.atomic
def change_project(project: Project, *, name: str, timezone: str, by: User) -> None:
    """Give a project another name or time zone; its address stays, because links hold it."""
    before = Project.objects.select_for_update(no_key=True).get(
        account_id=project.account_id, pk=project.pk
    )
    project.name, project.timezone = name, timezone
    project.save(update_fields=["name", "timezone"])
    if before.name != name:
        audit.record(project.account_id, "project.renamed", by=by, subject=project.slug)
    if before.timezone != timezone:
        audit.record(
            project.account_id,
            "project.timezone_changed",
            by=by,
            subject=project.slug,
            before=before.timezone,
            timezone=timezone,
        )


@transaction.atomic
def archive_project(project: Project, *, by: User) -> bool:
    """Take in nothing more for a project; False if it was archived already.

    Every process notices within 5 s. What the project holds can still be read.
    """
    return _set_archived(project, clock.now(), action="project.archived", by=by)


@transaction.atomic
def restore_project(project: Project, *, by: User) -> bool:
    """Take in calls for an archived project again; False if it was not archived."""
    return _set_archived(project, None, action="project.restored", by=by)


def _set_archived(project: Project, at: datetime | None, *, action: str, by: User) -> bool:
    changed = Project.objects.filter(
        account_id=project.account_id, pk=project.pk, archived_at__isnull=at is not None
    ).update(archived_at=at)
    if changed:
        audit.record(project.account_id, action, by=by, subject=project.slug)
    return bool(changed)


def _free_slug(name: str, taken: set[str]) -> str:
    """Make an address from a name: its letters without accents, and a number where it is taken."""
    stem = slugify(name)[:SLUG_LENGTH].strip("-_") or FALLBACK_SLUG
    if stem not in taken:
        return stem
    return next(slug for n in count(2) if (slug := f"{stem}-{n}") not in taken)


@transaction.atomic
def issue_key(
    project: Project,
    *,
    name: str,
    scopes: list[Scope],
    by: User | None,
    kind: Kind = "live",
    note: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which is nowhere to be had again.

    Raises TooManyKeys.
    """
    _lock(project)
    key, text = _make(
        project, name=name, note=note, scopes=scopes, kind=kind, by=by, expires_at=expires_at
    )
    audit.record(
        project.account_id,
        "key.created",
        by=by,
        subject=key.hint,
        project=project.slug,
        scopes=key.scopes,
        ends=_written(expires_at),
    )
    return key, text


@transaction.atomic
def issue_first_key(project: Project, *, by: User) -> tuple[ApiKey, str] | None:
    """Make the key of the onboarding page, once: None if the project has a key already.

    The project's row is locked, because a page that is opened twice asks twice at once.
    """
    _lock(project)
    if ApiKey.objects.filter(account_id=project.account_id, project=project).exists():
        return None
    return issue_key(project, name="First key", scopes=[Scope.INGEST, Scope.READ], by=by)


@transaction.atomic
def rotate_key(key: ApiKey, *, overlap: timedelta, by: User) -> tuple[ApiKey, str]:
    """Make a key like this one, which works on for `overlap`, and return it with its text.

    The new key keeps the end that was chosen for the old one. Raises KeyIsOver for a key that was
    replaced already (a form sent twice), revoked or has expired, and TooManyKeys.
    """
    project = key.project
    _lock(project)
    now = clock.now()
    ends = min(filter(None, [now + overlap, key.expires_at]))
    claimed = (
        ApiKey.objects.live(now)
        .filter(account_id=key.account_id, pk=key.pk, rotated_at=None)
        .update(rotated_at=now, expires_at=ends)
    )
    if not claimed:
        raise KeyIsOver(key.hint)
    due.schedule(EXPIRY, key.account_id, ends)
    new, text = _make(
        project,
        name=key.name,
        note=key.note,
        scopes=[Scope(scope) for scope in key.scopes],
        kind=key.kind,
        by=by,
        expires_at=key.expires_at,
    )
    audit.record(
        key.account_id,
        "key.rotated",
        by=by,
        subject=key.hint,
        project=project.slug,
        new=new.hint,
        ends=_written(ends),
    )
    return new, text


@transaction.atomic
def revoke_key(key: ApiKey, *, by: User) -> bool:
    """Close a key for good; False if it was closed already. Every process notices within 5 s."""
    if not key.close(clock.now()):
        return False
    audit.record(key.account_id, "key.revoked", by=by, subject=key.hint, project=key.project.slug)
    return True


def close_expired_keys() -> int:
    """Close the keys whose end has come and write it into their trails; return how many.

    They open nothing from that moment on whether or not this runs.
    """
    closed = 0
    for turn in due.turns(EXPIRY, lease=LEASE):
        with tenant(turn.account_id):
            closed += _close_expired_of(turn.account_id)
            open_ends = ApiKey.objects.filter(account_id=turn.account_id, revoked_at=None)
            next_end = open_ends.aggregate(at=Min("expires_at"))["at"]
        # At least once a day: a key may have been made since this looked.
        turn.end(min(filter(None, [next_end, clock.now() + LOOK_AGAIN])))
    return closed


def _close_expired_of(account_id: int) -> int:
    over = ApiKey.objects.select_related("project").filter(
        account_id=account_id, revoked_at=None, expires_at__lte=clock.now()
    )
    closed = [key for key in over if key.expires_at and key.close(key.expires_at)]
    for key in closed:
        audit.record(account_id, "key.expired", by=None, subject=key.hint, project=key.project.slug)
    return len(closed)


def _lock(project: Project) -> None:
    """Let one key of a project be made at a time, so that the bound holds."""
    Project.objects.select_for_update(no_key=True).get(account_id=project.account_id, pk=project.pk)


def _make(
    project: Project,
    *,
    name: str,
    note: str,
    scopes: list[Scope],
    kind: Kind,
    by: User | None,
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    own = ApiKey.objects.live(clock.now()).filter(account_id=project.account_id, project=project)
    if own.count() >= MOST_LIVE_KEYS:
        raise TooManyKeys(MOST_LIVE_KEYS)
    text = new_key(kind)
    key = ApiKey.objects.create(
        account_id=project.account_id,
        project=project,
        name=name,
        note=note,
        digest=hashing.digest(text),
        hint=hint(text),
        scopes=[str(scope) for scope in scopes],
        created_by=by,
        expires_at=expires_at,
    )
    if expires_at is not None:
        due.schedule(EXPIRY, project.account_id, expires_at)
    return key, text


def _written(at: datetime | None) -> str | None:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else None
