"""Pages of the account's projects: all of them, a new one, and the settings of each."""

from http import HTTPStatus

from django.contrib import messages
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import member_page
from accounts.rights import Right
from projects import services
from projects.access import project_for, projects_of
from projects.errors import TooManyProjects
from projects.forms import ProjectForm
from projects.models import Project


@require_safe
@member_page(Right.READ_USAGE)
def projects(request: HttpRequest) -> HttpResponse:
    """GET /account/projects/"""
    return _projects(request, ProjectForm())


@require_POST
@member_page(Right.MANAGE_PROJECTS)
def opening(request: HttpRequest) -> HttpResponse:
    """POST /account/projects/opening/"""
    form = ProjectForm(request.POST)
    if form.is_valid():
        try:
            project = services.open_project(request.account, by=request.user, **form.cleaned_data)
        except TooManyProjects as error:
            form.add_error(None, error.message)
        else:
            return redirect("events:start", project=project.slug)
    return _projects(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(Right.MANAGE_PROJECTS)
def settings(request: HttpRequest, project: str) -> HttpResponse:
    """GET, POST /app/<project>/settings/: name and time zone, and the way into the archive."""
    owner = project_for(request, project)
    form = ProjectForm(
        request.POST or None, initial={"name": owner.name, "timezone": owner.timezone}
    )
    if request.method == "POST" and form.is_valid():
        services.change_project(owner, by=request.user, **form.cleaned_data)
        messages.success(request, "The settings are saved.")
        return redirect("projects:settings", project=owner.slug)
    page = {
        "project": owner,
        "projects": projects_of(request),
        "section": "Settings",
        "form": form,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "projects/settings.html", page, status=status)


@require_POST
@member_page(Right.MANAGE_PROJECTS)
def archiving(request: HttpRequest, project: str) -> HttpResponse:
    """POST /app/<project>/settings/archiving/"""
    owner = project_for(request, project)
    if services.archive_project(owner, by=request.user):
        messages.success(
            request, f"{owner.name} is archived; within 5 seconds it takes nothing in."
        )
    else:
        messages.info(request, f"{owner.name} was archived already.")
    return redirect("projects:settings", project=owner.slug)


@require_POST
@member_page(Right.MANAGE_PROJECTS)
def restoring(request: HttpRequest, project: str) -> HttpResponse:
    """POST /app/<project>/settings/restoring/"""
    owner = project_for(request, project)
    if services.restore_project(owner, by=request.user):
        messages.success(
            request, f"{owner.name} is back; within 5 seconds it takes calls in again."
        )
    else:
        messages.info(request, f"{owner.name} is not archived.")
    return redirect("projects:settings", project=owner.slug)


def _projects(request: HttpRequest, form: ProjectForm, *, status: int = 200) -> HttpResponse:
    own = Project.objects.filter(account_id=request.account.pk).order_by(Lower("name"), "pk")
    page = {
        "section": "Projects",
        # Those in use first.
        "all_projects": sorted(own, key=lambda one: one.archived_at is not None),
        "form": form,
    }
    return render(request, "projects/projects.html", page, status=status)
