"""Pages on which members take data along."""

from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit
from accounts.access import member_page
from accounts.rights import Right
from llmcost import clock
from privacy.exports import content, persons, services
from privacy.queries import own_exports


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.EXPORT_DATA, fresh=True, while_read_only=True)
def exports(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/data/exports/: ask for one, see how far it is, download it."""
    if request.method == "POST":
        services.ask(request.account.pk, by=request.user)
        messages.success(request, "It has begun. We mail you when it is ready.")
        return redirect("privacy:exports")
    own = own_exports(request.account.pk, request.user)
    page = {
        "section": "Data & privacy",
        "exports": own[:50],
        "is_busy": own.open().exists(),
    }
    is_part = request.htmx and not request.htmx.history_restore_request
    template = "privacy/exports.html#list" if is_part else "privacy/exports.html"
    return render(request, template, page)


@require_safe
@never_cache
@member_page(Right.EXPORT_DATA, fresh=True, while_read_only=True)
def download(request: HttpRequest, export: UUID) -> FileResponse:
    """GET /account/data/exports/<id>.zip: for the member who asked, and nobody else."""
    path = services.hand_out(request.account.pk, export, to=request.user)
    name = f"llm-cost-tracker-{clock.now():%Y-%m-%d}.zip"
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)


@require_safe
@never_cache
@member_page(Right.ASK_ABOUT_DATA, fresh=True, while_read_only=True)
def about_me(request: HttpRequest) -> HttpResponse:
    """GET /account/data/about-me.json: what we hold about the person who asks, in all accounts."""
    audit.record(request.account.pk, "data.person_exported", by=request.user)
    answer = HttpResponse(
        content.pretty(persons.held_about(request.user)), content_type="application/json"
    )
    answer["Content-Disposition"] = 'attachment; filename="about-me.json"'
    return answer
