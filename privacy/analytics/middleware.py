"""Counts each page that was shown and each form that did something, by the name of its route."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from privacy.analytics import counter

VIEW, USE = "view", "use"
# What is no use of the product: programs, our own staff, health, files of local mode.
NOT_COUNTED = ("v1/", "api/schema/", "admin/", "dev/", "healthz", "readyz", ".well-known/")


class CountUseMiddleware:
    """Count what visitors and members look at and use, unless their browser asks us not to."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        kind = _kind(request, response)
        if kind is not None:
            match = request.resolver_match
            assert match is not None
            try:
                address = get_adapter().get_client_ip(request)
            except PermissionDenied:  # no address that could be believed
                return response
            browser = request.headers.get("User-Agent", "")
            counter.count(kind, match.view_name, address=address, browser=browser)
        return response


def _kind(request: HttpRequest, response: HttpResponse) -> str | None:
    """Say what to count of this request, if anything."""
    match = request.resolver_match
    if match is None or not match.url_name or match.route.startswith(NOT_COUNTED):
        return None
    asks_not_to = request.headers.get("DNT") == "1" or request.headers.get("Sec-GPC") == "1"
    if asks_not_to or "HX-Request" in request.headers:  # a page that keeps itself fresh
        return None
    if request.method == "GET":
        return VIEW if response.status_code == 200 else None
    return USE if request.method == "POST" and response.status_code < 400 else None
