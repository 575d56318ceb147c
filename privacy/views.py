"""Public pages of the privacy policy, the terms and the subprocessors."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from llmcost import clock
from llmcost.errors import NotFound
from privacy.policy import Kind, current, versions
from privacy.policy.difference import changes
from privacy.policy.publication import upcoming
from privacy.policy.subprocessors import processors
from privacy.policy.tables import held_by


@require_safe
def document(request: HttpRequest, kind: Kind) -> HttpResponse:
    """GET /privacy/, /terms/"""
    page = {"document": current(kind), "history": f"/{kind}/history/", "ahead": _ahead(kind)}
    return render(request, "privacy/document.html", page)


@require_safe
def history(request: HttpRequest, kind: Kind) -> HttpResponse:
    """GET /privacy/history/, /terms/history/"""
    page = {
        "document": current(kind),
        "page": f"/{kind}/",
        "versions": versions(kind),
        "today": clock.now().date(),
    }
    return render(request, "privacy/history.html", page)


@require_safe
def version(request: HttpRequest, kind: Kind, version: str) -> HttpResponse:
    """GET /privacy/history/<version>/: what it changed, or all of it for the first one."""
    known = versions(kind)
    place = next((n for n, one in enumerate(known) if one.version == version), None)
    if place is None:
        raise NotFound
    page: dict[str, Any] = {"version": known[place], "page": f"/{kind}/"}
    if place + 1 < len(known):
        before = known[place + 1]
        page |= {"before": before, "changes": changes(before, known[place])}
    return render(request, "privacy/version.html", page)


@require_safe
def subprocessors(request: HttpRequest) -> HttpResponse:
    """GET /privacy/subprocessors/"""
    page = {
        "document": versions("subprocessors")[0],
        "ahead": _ahead("subprocessors"),
        "processors": [(one, held_by(one.recipient)) for one in processors()],
    }
    return render(request, "privacy/subprocessors.html", page)


def _ahead(kind: Kind) -> list[Any]:
    return [announced for its_kind, announced in upcoming() if its_kind == kind]
