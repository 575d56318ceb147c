"""Pages of one project: its keys."""

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import member_page
from accounts.rights import Right
from llmcost.errors import NotFound
from projects.access import project_for, projects_of
from projects.forms import KeyForm
from projects.models import ApiKey, Project
from projects.services import issue_key, revoke_key


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.MANAGE_KEYS)
def keys(request: HttpRequest, project: str) -> HttpResponse:
    """GET, POST /app/<project>/keys/: the answer to POST is the only place where a key stands."""
    owner = project_for(request, project)
    if request.method != "POST":
        return _keys(request, owner, KeyForm())
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _keys(request, owner, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    key, secret = issue_key(
        owner,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        kind=form.cleaned_data["kind"],
        by=request.user,
    )
    return _keys(request, owner, KeyForm(), made=key, secret=secret, status=HTTPStatus.CREATED)


@require_POST
@member_page(Right.MANAGE_KEYS)
def revocation(request: HttpRequest, project: str, key_id: int) -> HttpResponse:
    """POST /app/<project>/keys/<id>/revocation/"""
    owner = project_for(request, project)
    key = owner.keys.filter(account_id=owner.account_id, pk=key_id).first()
    if key is None:
        raise NotFound
    if revoke_key(owner, key.pk):
        messages.success(request, f"Key {key.hint} is revoked; it stops within 5 seconds.")
    else:
        messages.info(request, f"Key {key.hint} was revoked already.")
    return redirect("projects:keys", project=owner.slug)


def _keys(
    request: HttpRequest, project: Project, form: KeyForm, *, status: int = 200, **made: object
) -> HttpResponse:
    found = ApiKey.objects.filter(account_id=project.account_id, project=project)
    page = {
        "project": project,
        "projects": projects_of(request),
        "section": "Keys",
        "form": form,
        # Those that still open something first, then from the newest.
        "keys": sorted(found.order_by("-pk"), key=lambda key: key.revoked_at is not None),
        **made,
    }
    return render(request, "projects/keys.html", page, status=status)
