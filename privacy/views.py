"""The public pages about privacy, and the signed-in page of one's data."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import member_page
from accounts.errors import TooManyAttempts
from accounts.rights import Right
from llmcost import clock
from llmcost.errors import NotFound, page_answer
from privacy import consent
from privacy.correspondence import services as letters
from privacy.errors import LinkInvalid
from privacy.forms import ContactForm, MemberRequestForm, OpenForm, RequestForm
from privacy.models import Topic
from privacy.policy import Kind, current, versions
from privacy.policy.difference import changes
from privacy.policy.publication import upcoming
from privacy.policy.subprocessors import processors
from privacy.policy.tables import held_by
from privacy.queries import (
    erasures_of,
    own_exports,
    own_requests,
    referrals_of,
    what_is_held,
)
from privacy.requests import services as requests
from projects.access import projects_of

SECURITY_ADDRESS = "security@llmcosttracker.com"
SECURITY_TXT_HOLDS = timedelta(days=180)
RECENT = 4  # exports and deletions on the page of one's data; each has a page of its own


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


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def cookie_choices(request: HttpRequest) -> HttpResponse:
    """GET, POST /privacy/cookies/: what was chosen about analytics, and choose anew at any time."""
    if consent.asking_version() is None:
        raise NotFound
    if request.method != "POST":
        page = {
            "choice": consent.choice_of(request),
            "objects": consent.objects(request),
            "provider": settings.ANALYTICS_NAME,
            "valid_days": consent.VALID.days,
        }
        return render(request, "privacy/cookies.html", page)
    if not ratelimit.consume(request, action="choose_cookies"):
        return page_answer(request, TooManyAttempts())
    back = request.POST.get("next", "")
    is_ours = back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    response = redirect(back if is_ours else reverse("privacy:cookies"))
    # Whatever is not the word is no consent.
    consent.choose(request, response, accepts=request.POST.get("choice") == "accept")
    return response


@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """GET /security/"""
    return render(request, "privacy/security.html")


@require_safe
def security_txt(_request: HttpRequest) -> HttpResponse:
    """GET /.well-known/security.txt (RFC 9116)"""
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    lines = (
        f"Contact: mailto:{SECURITY_ADDRESS}",
        # Always ahead and never a year, as long as the site answers.
        f"Expires: {(midnight + SECURITY_TXT_HOLDS).isoformat()}",
        "Preferred-Languages: en",
        f"Canonical: {settings.PUBLIC_URL}/.well-known/security.txt",
        f"Policy: {settings.PUBLIC_URL}/security/",
    )
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


def _ahead(kind: Kind) -> list[Any]:
    return [announced for its_kind, announced in upcoming() if its_kind == kind]


# --- Letters and requests of anybody ---------------------------------------------------------
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def contact(request: HttpRequest) -> HttpResponse:
    """GET, POST /contact/"""
    if request.method != "POST":
        return render(request, "privacy/contact.html", {"form": ContactForm()})
    form = ContactForm(request.POST)
    refused = _refused(request, form, "privacy/contact.html")
    if refused is not None:
        return refused
    if not form.is_trap_sprung:
        letter = form.cleaned_data
        letters.receive(
            topic=Topic.CONTACT,
            address=letter["email"],
            name=letter["name"],
            subject=letter["subject"],
            text=letter["text"],
        )
    return redirect("privacy:contact_sent")


@require_safe
def contact_sent(request: HttpRequest) -> HttpResponse:
    """GET /contact/sent/"""
    return render(request, "privacy/contact_sent.html")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def data_request(request: HttpRequest) -> HttpResponse:
    """GET, POST /privacy/request/: whoever asks, and whether we know them, the answer is one."""
    if request.method != "POST":
        form = RequestForm(initial={"kind": request.GET.get("kind")})
        return render(request, "privacy/request.html", {"form": form})
    form = RequestForm(request.POST)
    refused = _refused(request, form, "privacy/request.html")
    if refused is not None:
        return refused
    if not form.is_trap_sprung:
        asked = form.cleaned_data
        requests.ask_by_form(
            address=asked["email"],
            name=asked["name"],
            kind=asked["kind"],
            text=asked["text"],
        )
    return redirect("privacy:request_sent")


@require_safe
def request_sent(request: HttpRequest) -> HttpResponse:
    """GET /privacy/request/sent/"""
    return render(request, "privacy/request_sent.html")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def request_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET, POST /privacy/request/<token>/: a program that follows links confirms nothing."""
    if request.method != "POST":
        if not requests.link_is_good(token):
            raise LinkInvalid
        return render(request, "privacy/request_link.html")
    requests.verify(token)
    return redirect("privacy:request_confirmed")


@require_safe
def request_confirmed(request: HttpRequest) -> HttpResponse:
    """GET /privacy/request/confirmed/"""
    return render(request, "privacy/request_confirmed.html")


def _refused(request: HttpRequest, form: OpenForm, template: str) -> HttpResponse | None:
    """Return the form again if it is not valid, a 429 if it was sent too often, else None."""
    if not form.is_valid():
        return render(request, template, {"form": form}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    key = form.cleaned_data["email"].lower()
    if not ratelimit.consume(request, action="write_to_us", key=key):
        return page_answer(request, TooManyAttempts())
    return None


# --- Signed in -------------------------------------------------------------------------------
@require_safe
@never_cache
@member_page(Right.ASK_ABOUT_DATA)
def data(request: HttpRequest) -> HttpResponse:
    """GET /account/data/: what is held, and what can be done about it."""
    page = {
        "section": "Data & privacy",
        "held": what_is_held(request.account.pk),
        "requests": own_requests(request.user),
        "referrals": referrals_of(request.account.pk),
        "exports": own_exports(request.account.pk, request.user)[:RECENT],
        "erasures": erasures_of(request.account.pk)[:RECENT],
        "shorter": projects_of(request).exclude(retention_days=None),
        "retention_days": 30,
    }
    return render(request, "privacy/data.html", page)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.ASK_ABOUT_DATA, while_read_only=True)
def member_request(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/data/requests/"""
    form = MemberRequestForm(request.POST or None)
    page = {"section": "Data & privacy", "form": form}
    if request.method != "POST":
        return render(request, "privacy/member_request.html", page)
    if not form.is_valid():
        return render(
            request, "privacy/member_request.html", page, status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
    if not ratelimit.consume(request, action="write_to_us", key=request.user.email):
        return page_answer(request, TooManyAttempts())
    asked = requests.ask_as_member(request.user, **form.cleaned_data)
    messages.success(request, f"Request {asked.reference} is with us. We answer within 30 days.")
    return redirect("privacy:data")


@require_safe
@never_cache
@member_page(Right.ASK_ABOUT_DATA)
def own_request(request: HttpRequest, reference: str) -> HttpResponse:
    """GET /account/data/requests/<reference>/"""
    asked = own_requests(request.user).filter(reference=reference).first()
    if asked is None:
        raise NotFound
    page = {
        "section": "Data & privacy",
        "asked": asked,
        "letters": letters.letters_of(asked.thread) if asked.thread else (),
        "steps": [(step.at, requests.STEPS[step.what]) for step in asked.steps.order_by("pk")],
    }
    return render(request, "privacy/own_request.html", page)
