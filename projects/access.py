"""The one way to a project of the signed-in user's account."""

from django.http import HttpRequest

from llmcost.errors import NotFound
from projects.models import Project


def project_for(request: HttpRequest, slug: str) -> Project:
    """Return a project of `request.account`. Raises NotFound alike for missing and foreign."""
    project = Project.objects.filter(account_id=request.account.pk, slug=slug).first()
    if project is None:
        raise NotFound
    return project


def first_project(request: HttpRequest) -> Project:
    """Return the project that `/app/` opens with. Raises NotFound if there is none."""
    project = Project.objects.filter(account_id=request.account.pk).order_by("pk").first()
    if project is None:
        raise NotFound
    return project
