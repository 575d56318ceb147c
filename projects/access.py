"""The one way to the projects of the signed-in user's account."""

from django.db.models import QuerySet
from django.http import HttpRequest

from llmcost.errors import NotFound
from projects.models import Project


def project_for(request: HttpRequest, slug: str) -> Project:
    """Return a project of `request.account`. Raises NotFound alike for missing and foreign."""
    project = Project.objects.filter(account_id=request.account.pk, slug=slug).first()
    if project is None:
        raise NotFound
    return project


def projects_of(request: HttpRequest) -> QuerySet[Project]:
    """Return the projects of `request.account`, between which the side bar switches."""
    return Project.objects.filter(account_id=request.account.pk).order_by("name")


def first_project(request: HttpRequest) -> Project:
    """Return the project that `/app/` opens with. Raises NotFound if there is none."""
    project = Project.objects.filter(account_id=request.account.pk).order_by("pk").first()
    if project is None:
        raise NotFound
    return project
