"""Pages of the audit trail."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from accounts import audit
from accounts.access import member_page
from accounts.rights import Right
from accounts.trail import reading
from accounts.trail.forms import TrailForm
from llmcost import clock


@require_safe
@member_page(Right.READ_AUDIT)
def trail(request: HttpRequest) -> HttpResponse:
    """GET /account/audit/?group=&person=&first=&last=&before="""
    form = TrailForm(request.GET, account=request.account)
    page: dict[str, Any] = {"section": "Audit trail", "form": form, "groups": reading.GROUPS}
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, "accounts/audit.html", page, status=status)
    before = request.GET.get("before", "")
    lines, older = reading.page(form.question(), before)
    asked = QueryDict(mutable=True)
    asked.update({name: value for name, value in form.data.items() if value and name != "before"})
    page |= {
        "lines": lines,
        "asked": asked.urlencode(),
        "filters": asked.items(),
        "is_later_page": bool(before),
    }
    if older:
        asked["before"] = older
        page["older"] = asked.urlencode()
    return render(request, "accounts/audit.html", page)


@require_POST
@member_page(Right.READ_AUDIT, while_read_only=True)
def export(request: HttpRequest) -> HttpResponse:
    """POST /account/audit/export/: a file with the lines that the filters show; a line itself."""
    form = TrailForm(request.POST, account=request.account)
    if not form.is_valid():
        page = {"section": "Audit trail", "form": form, "groups": reading.GROUPS}
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, "accounts/audit.html", page, status=status)
    lines = reading.export(form.question())
    kind = "json" if request.POST.get("format") == "json" else "csv"
    audit.record(
        request.account.pk, "account.audit_exported", by=request.user, lines=len(lines), format=kind
    )
    body = reading.as_json(lines) if kind == "json" else reading.as_csv(lines)
    type_ = "application/json" if kind == "json" else "text/csv; charset=utf-8"
    response = HttpResponse(body, content_type=type_)
    name = f"audit-trail-{clock.now():%Y-%m-%d}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
