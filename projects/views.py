"""Pages of one project: its keys."""

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import member_page
from accounts.rights import Right
from llmcost import clock
from projects import services
from projects.access import (
    grantable_scopes,
    key_for,
    project_for,
    projects_of,
    require_grantable,
)
from projects.errors import KeyIsOver, TooManyKeys
from projects.forms import KeyForm, RotationForm
from projects.models import ApiKey, Project


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.MANAGE_KEYS)
def keys(request: HttpRequest, project: str) -> HttpResponse:
    """GET, POST /app/<project>/keys/: the answer to POST is the only place where a key stands."""
    owner = project_for(request, project)
    if request.method != "POST":
        return _keys(request, owner)
    form = KeyForm(request.POST, project=owner, grantable=grantable_scopes(request))
    if form.is_valid():
        try:
            made, secret = services.issue_key(
                owner,
                name=form.cleaned_data["name"],
                note=form.cleaned_data["note"],
                scopes=form.cleaned_data["scopes"],
                kind=form.cleaned_data["kind"],
                expires_at=form.expires_at,
                by=request.user,
            )
        except TooManyKeys as error:
            form.add_error(None, error.message)
        else:
            return _keys(request, owner, made=made, secret=secret, status=HTTPStatus.CREATED)
    return _keys(request, owner, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@require_POST
@never_cache
@member_page(Right.MANAGE_KEYS)
def rotation(request: HttpRequest, project: str, key_id: int) -> HttpResponse:
    """POST /app/<project>/keys/<id>/rotation/: the answer shows the new key, once."""
    owner = project_for(request, project)
    key = key_for(request, owner, key_id)
    require_grantable(request, key.scopes)
    form = RotationForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose for how long the old key shall work on.")
        return _keys(request, owner, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        made, secret = services.rotate_key(
            key, overlap=form.cleaned_data["overlap"], by=request.user
        )
    except (KeyIsOver, TooManyKeys) as error:
        messages.error(request, error.message)
        return redirect("projects:keys", project=owner.slug)
    return _keys(request, owner, made=made, replaced=key, secret=secret, status=HTTPStatus.CREATED)


@require_POST
@member_page(Right.MANAGE_KEYS)
def revocation(request: HttpRequest, project: str, key_id: int) -> HttpResponse:
    """POST /app/<project>/keys/<id>/revocation/"""
    owner = project_for(request, project)
    key = key_for(request, owner, key_id)
    if services.revoke_key(key, by=request.user):
        messages.success(request, f"Key {key.hint} is revoked; it stops within 5 seconds.")
    else:
        messages.info(request, f"Key {key.hint} was revoked already.")
    return redirect("projects:keys", project=owner.slug)


def _keys(
    request: HttpRequest,
    project: Project,
    form: KeyForm | None = None,
    *,
    status: int = HTTPStatus.OK,
    **made: object,
) -> HttpResponse:
    grantable = grantable_scopes(request)
    now = clock.now()
    found = list(
        ApiKey.objects.select_related("created_by")
        .filter(account_id=project.account_id, project=project)
        .order_by("-pk")
    )
    live = [key for key in found if key.is_live(now)]
    page = {
        "project": project,
        "projects": projects_of(request),
        "section": "Keys",
        "form": form or KeyForm(project=project, grantable=grantable),
        "rotation": RotationForm(),
        "grantable": grantable,
        "live": live,
        "over": [key for key in found if not key.is_live(now)],
        "replaced_keys": [key for key in live if key.rotated_at],
        **made,
    }
    return render(request, "projects/keys.html", page, status=status)
