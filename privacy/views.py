"""Public pages of the privacy policy and the terms."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from privacy.policy import current, versions


@require_safe
def policy(request: HttpRequest) -> HttpResponse:
    page = {"document": current("privacy"), "versions": versions("privacy")}
    return render(request, "privacy/document.html", page)


@require_safe
def terms(request: HttpRequest) -> HttpResponse:
    page = {"document": current("terms"), "versions": versions("terms")}
    return render(request, "privacy/document.html", page)
