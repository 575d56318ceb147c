"""The one way to the projects of the signed-in user's account."""

from django.db.models import F, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest

from accounts.errors import MissingRight
from accounts.rights import Right, may
from llmcost.errors import NotFound
from projects.models import ApiKey, Project, Scope

# A key never does what the person who makes it may not. Whoever may make keys may send and read.
RIGHT_TO_GRANT = {Scope.ADMIN: Right.ERASE_DATA}


def project_for(request: HttpRequest, slug: str) -> Project:
    """Return a project of `request.account`. Raises NotFound alike for missing and foreign."""
    project = Project.objects.filter(account_id=request.account.pk, slug=slug).first()
    if project is None:
        raise NotFound
    return project


def key_for(request: HttpRequest, project: Project, key_id: int) -> ApiKey:
    """Return a key of this project. Raises NotFound alike for missing and foreign."""
    key = (
        ApiKey.objects.select_related("project")
        .filter(account_id=request.account.pk, project=project, pk=key_id)
        .first()
    )
    if key is None:
        raise NotFound
    return key


def grantable_scopes(request: HttpRequest) -> list[Scope]:
    """Return the scopes that this member may give to a key."""
    role = request.membership.role
    return [
        scope for scope in Scope if scope not in RIGHT_TO_GRANT or may(role, RIGHT_TO_GRANT[scope])
    ]


def require_grantable(request: HttpRequest, scopes: list[str]) -> None:
    """Raise MissingRight for scopes that this member may not give to a key."""
    for scope in set(scopes) - set(grantable_scopes(request)):
        raise MissingRight(request.membership.get_role_display(), RIGHT_TO_GRANT[Scope(scope)])


def all_projects_of(request: HttpRequest) -> QuerySet[Project]:
    """Return every project of `request.account`: what an archived one holds is there, too."""
    own = Project.objects.filter(account_id=request.account.pk)
    return own.order_by(F("archived_at").asc(nulls_first=True), Lower("name"), "pk")


def projects_of(request: HttpRequest) -> QuerySet[Project]:
    """Return the projects of `request.account`, between which the side bar switches."""
    own = Project.objects.filter(account_id=request.account.pk, archived_at=None)
    return own.order_by(Lower("name"), "pk")


def first_project(request: HttpRequest) -> Project:
    """Return the project that `/app/` opens with: the oldest, archived ones last. Raises NotFound
    if there is none.
    """
    own = Project.objects.filter(account_id=request.account.pk)
    project = own.order_by(F("archived_at").asc(nulls_first=True), "pk").first()
    if project is None:
        raise NotFound
    return project
