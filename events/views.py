"""Pages of what calls cost: the overview, and the way to the first event."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.access import member_page
from accounts.rights import Right
from events.reports import panels
from events.reports.first_event import first_event
from events.reports.overview import fingerprint, overview, params_from_form, query_from_params
from llmcost import clock
from projects.access import first_project, project_for, projects_of
from projects.models import ApiKey, Project
from projects.services import issue_first_key

# After this long without an event the page says what may be wrong.
PATIENCE_SECONDS = 60


# --- Overview --------------------------------------------------------------------------------
@require_safe
@vary_on_headers("HX-Request")
@member_page(Right.READ_USAGE, lead_home=True)
def home(request: HttpRequest) -> HttpResponse:
    """GET /app/: the first project's overview; who may not see what calls cost begins elsewhere."""
    return _overview(request, first_project(request))


@require_safe
@vary_on_headers("HX-Request")
@member_page(Right.READ_USAGE)
def overview_page(request: HttpRequest, project: str) -> HttpResponse:
    """GET /app/<project>/: the page; to a live page that has `seen` all of it, 204.

    Its bare address leads a project without any event to the page that helps to send one.
    """
    return _overview(request, project_for(request, project))


def _overview(request: HttpRequest, owner: Project) -> HttpResponse:
    if (chosen := params_from_form(request.GET)) is not None:
        return redirect(request.path + chosen)
    query = query_from_params(request.GET, owner)
    is_part = request.htmx and not request.htmx.history_restore_request
    # Before the numbers: an event between the two is then shown twice, and never missed.
    mark = fingerprint(query) if query.span.is_live else ""
    if is_part and mark and request.GET.get("seen") == mark:
        return HttpResponse(status=204)
    shown = overview(query)
    if not request.GET and not shown.spend.now.calls and first_event(owner) is None:
        return redirect("events:start", project=owner.slug)
    page = {
        "project": owner,
        "projects": projects_of(request),
        "section": "Overview",
        "query": query,
        "mark": mark,
        "shown": shown,
        **panels.page(query, shown),
    }
    template = "events/overview.html#content" if is_part else "events/overview.html"
    return render(request, template, page)


# --- The way to the first event --------------------------------------------------------------
@require_safe
@member_page(Right.READ_USAGE)
def start(request: HttpRequest, project: str) -> HttpResponse:
    """GET /app/<project>/start/"""
    return render(request, "events/start.html", _start(request, project_for(request, project)))


@require_POST
@never_cache
@member_page(Right.MANAGE_KEYS)
def first_key(request: HttpRequest, project: str) -> HttpResponse:
    """POST /app/<project>/start/key/: the answer is the only place where the key ever stands."""
    owner = project_for(request, project)
    issued = issue_first_key(owner, by=request.user)
    if issued is None and not request.htmx:
        return redirect("events:start", project=owner.slug)
    page = _start(request, owner) | ({"secret": issued[1]} if issued else {})
    return render(request, "events/start.html#key" if request.htmx else "events/start.html", page)


@require_safe
@member_page(Right.READ_USAGE)
def arrival(request: HttpRequest, project: str) -> HttpResponse:
    """GET /app/<project>/start/arrival/: 204 until there is something new to say."""
    owner = project_for(request, project)
    page = _start(request, owner)
    since = request.GET.get("since", "")
    has_waited = since.isdecimal() and clock.now().timestamp() - int(since[:12]) >= PATIENCE_SECONDS
    page["is_late"] = has_waited
    if page["event"] is None and not (has_waited and "late" not in request.GET):
        return HttpResponse(status=204)
    return render(request, "events/start.html#arrival", page)


def _start(request: HttpRequest, project: Project) -> dict[str, object]:
    keys = ApiKey.objects.live(clock.now()).filter(account_id=project.account_id, project=project)
    return {
        "project": project,
        "projects": projects_of(request),
        "section": "Start",
        "public_url": settings.PUBLIC_URL,
        "events_url": settings.PUBLIC_URL + reverse("api-events"),
        # Support looks at this page too, and a hash is closed to it.
        "key": keys.order_by("pk").only("hint").first(),
        "had_key": ApiKey.objects.filter(account_id=project.account_id, project=project).exists(),
        "event": first_event(project),
        "since": int(clock.now().timestamp()),
    }
