"""Pages that belong to no app: the landing page, and two that exist in local mode only."""

from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address
from typing import Any

from csp.decorators import csp_replace
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from llmcost.web.mail import stored_mail, stored_mails
from llmcost.web.numbers import money

View = Callable[..., HttpResponseBase]


def local_only(view: View) -> View:
    """Hide a view unless this is somebody's own machine, asked from that machine."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        host = split_domain_port(request.get_host())[0].strip("[]")
        callers = [host, request.META.get("REMOTE_ADDR") or "127.0.0.1"]
        if not settings.LOCAL_MODE or not all(map(_is_loopback, callers)):
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    if settings.SELF_HOSTED:  # who comes here wants to work, not to buy
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "site/landing.html", {"public_url": settings.PUBLIC_URL})


@require_safe
def favicon(_request: HttpRequest) -> HttpResponse:
    """Lead to the icon those who ask for it by its old name, as browsers do where no page tells."""
    return redirect(static("favicon.svg"))


@require_safe
@local_only
def mail_list(request: HttpRequest) -> HttpResponse:
    return render(request, "dev/mail_list.html", {"mails": list(stored_mails())})


@require_safe
@local_only
def mail(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "dev/mail.html", {"mail": _mail_or_404(name)})


@require_safe
@local_only
@csp_replace({"style-src": ["'unsafe-inline'"], "script-src": ["'none'"]})
def mail_html(_request: HttpRequest, name: str) -> HttpResponse:
    """Show a mail's HTML as a mail program would; mails need inline styles, pages never do."""
    return HttpResponse(_mail_or_404(name).html)


def _mail_or_404(name: str) -> Any:
    found = stored_mail(name)
    if found is None:
        raise Http404
    return found


@require_safe
@local_only
def components(request: HttpRequest) -> HttpResponse:
    exact = ["1823.8471902210", "0.8137112", "0.0006832", "0.0000000112", "0"]
    return render(
        request,
        "dev/components.html",
        {"series": range(1, 9), "amounts": [(value, money(float(value))) for value in exact]},
    )
