"""Every write to projects and keys."""

from typing import Literal

from django.db import transaction

from accounts.models import Account, User
from llmcost import clock
from projects.keys import hashing
from projects.keys.format import hint, new_key
from projects.models import ApiKey, Project, Scope

FIRST_PROJECT = "prod"


def open_project(account: Account, *, name: str, timezone: str = "UTC") -> Project:
    """Open a project whose address is made from its name."""
    return Project.objects.create(account=account, slug=name, name=name, timezone=timezone)


@transaction.atomic
def issue_key(
    project: Project,
    *,
    name: str,
    scopes: list[Scope],
    by: User | None,
    kind: Literal["live", "test"] = "live",
) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which is nowhere to be had again."""
    text = new_key(kind)
    key = ApiKey.objects.create(
        account_id=project.account_id,
        project=project,
        name=name,
        digest=hashing.digest(text),
        hint=hint(text),
        scopes=[str(scope) for scope in scopes],
        created_by=by,
    )
    return key, text


@transaction.atomic
def issue_first_key(project: Project, *, by: User) -> tuple[ApiKey, str] | None:
    """Make the key of the onboarding page, once: None if the project has a key already.

    The project's row is locked, because a page that is opened twice asks twice at once.
    """
    Project.objects.select_for_update(no_key=True).get(account_id=project.account_id, pk=project.pk)
    if ApiKey.objects.filter(account_id=project.account_id, project=project).exists():
        return None
    return issue_key(project, name="First key", scopes=[Scope.INGEST, Scope.READ], by=by)


def revoke_key(project: Project, key_id: int) -> bool:
    """Close a key of this project; False if it is not there or closed already."""
    key = ApiKey.objects.filter(account_id=project.account_id, project=project, pk=key_id).first()
    return bool(key and key.revoke(clock.now()))
