"""What `privacy.py` asks of the site in its own words; run inside Django by `manage.py shell`."""

import json
from datetime import datetime

from accounts.models import User
from accounts.services import close_account, open_account
from llmcost.tenancy.context import signed_in, tenant
from privacy import erasure, purge
from privacy.exports import services as exports
from projects.models import Project, Scope
from projects.services import issue_key, open_project


def opened(name: str) -> None:
    """Open a company with two projects and print their numbers and keys."""
    owner = User.objects.create_user(f"{name}@example.com", "correct horse battery", name=name)
    account = open_account(user=owner, company=name)
    with tenant(account.pk):
        first = Project.objects.get(account_id=account.pk)
        projects = [first, open_project(account, name="second")]
        keys = [
            issue_key(project, name="Bench", scopes=list(Scope), by=owner)[1]
            for project in projects
        ]
    projects_and_keys = [[project.pk, key] for project, key in zip(projects, keys, strict=True)]
    print(json.dumps({"account": account.pk, "owner": owner.pk, "projects": projects_and_keys}))


def export(account_id: int, owner_id: int) -> None:
    """Ask for everything, as the page does."""
    with tenant(account_id):
        exports.ask(account_id, by=_owner(owner_id))


def erase_span(account_id: int, owner_id: int, project_id: int, start: str, end: str) -> None:
    """Ask that a span of time be deleted, as the page does."""
    with tenant(account_id):
        project = Project.objects.get(account_id=account_id, pk=project_id)
        span = datetime.fromisoformat(start), datetime.fromisoformat(end)
        erasure.erase_span(project, *span, by=_owner(owner_id))


def erase_project(account_id: int, owner_id: int, project_id: int) -> None:
    """Ask that a project be deleted, as the page does."""
    with tenant(account_id):
        project = Project.objects.get(account_id=account_id, pk=project_id)
        erasure.erase_project(project, by=_owner(owner_id))


def purge_now(account_id: int, owner_id: int) -> None:
    """Close the account and have it purged at once, as its owner may."""
    owner = _owner(owner_id)
    with signed_in(owner_id), tenant(account_id):
        close_account(account_id, by=owner)
    with tenant(account_id):
        purge.purge_now(account_id, by=owner)


def _owner(owner_id: int) -> User:
    return User.objects.get(pk=owner_id)
