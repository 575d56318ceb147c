"""Consent to analytics of somebody else, which set cookies: asked first, recorded, revocable.

Without `ANALYTICS_SCRIPT` nothing here acts and no page has a trace of it. With it, a visitor of
the pages that are only read is asked, with two buttons alike; the script is loaded after "Accept"
and never for whoever is signed in or whose browser asks not to be followed, which counts as
refused. The policy comes first: see `missing`.
"""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from http.cookies import CookieError, Morsel
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers

from llmcost import clock
from llmcost.inventory import Recipient
from privacy.models import Consent
from privacy.policy import current, versions
from privacy.policy.subprocessors import processors

# A choice is asked for again after so long, as supervisory authorities advise (six months).
VALID = timedelta(days=180)
# How long the record stays: after that nobody can claim anything of it (BGB §195, and alike).
KEPT = timedelta(days=3 * 365)
# Pages that are only read. None with a form, for what is typed is nobody else's business, and none
# behind the sign-in.
PAGES = {
    "landing",
    *(f"privacy:{kind}{part}" for kind in ("policy", "terms") for part in ("", "_history")),
    *(f"privacy:{kind}_version" for kind in ("policy", "terms")),
    "privacy:subprocessors",
    "privacy:security",
}
_SALT = "privacy.consent"
_FORM = re.compile(r"(?P<choice>accepted|refused) (?P<version>\S+) (?P<reference>[0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a visitor chose: the version of the policy that asked, and the name of the record."""

    is_accepted: bool
    version: str
    reference: UUID

    def __str__(self) -> str:
        word = "accepted" if self.is_accepted else "refused"
        return f"{word} {self.version} {self.reference.hex}"


# --- Before anything may be configured -------------------------------------------------------
def missing(script: str, name: str, today: date) -> list[str]:
    """Return a sentence for each thing that must be so before a provider may be configured."""
    if not script and not name:
        return []
    said = []
    parts = urlsplit(script)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and settings.LOCAL_MODE)
    if not is_safe or not parts.hostname or re.search(r"[\s;,'\"]", script):
        said.append("ANALYTICS_SCRIPT must be the https:// address of the provider's script.")
    if not name:
        said.append("Set ANALYTICS_NAME to the provider's name, as the privacy policy has it.")
        return said
    in_force = next(one for one in versions("privacy") if one.effective <= today)
    if in_force.analytics != name:
        said.append(
            f"The privacy policy in force ({in_force.version}) does not name {name}: run without"
            f" ANALYTICS_SCRIPT, publish a version with `analytics: {name}` in its head, and set it"
            " from the day on which that version takes effect (docs/privacy.md)."
        )
    if not any(
        one.recipient is Recipient.ANALYTICS and one.company == name for one in processors()
    ):
        said.append(
            f"privacy/policy/subprocessors.toml does not name {name}: add a processor with"
            f' recipient = "ANALYTICS" and company = "{name}".'
        )
    return said


def refuse_if_missing() -> None:
    """End this process with all that is missing, a line each, and exit code 78."""
    today = clock.now().date()
    said = missing(settings.ANALYTICS_SCRIPT, settings.ANALYTICS_NAME, today)
    if said:
        sys.stderr.write("\n".join(said) + "\n")
        sys.exit(os.EX_CONFIG)


# --- With a request --------------------------------------------------------------------------
class ConsentMiddleware:
    """Decide for each page that is only read whether to ask and whether to load.

    Only there where a provider is configured. The templates ask `request.analytics`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        analytics = getattr(request, "analytics", None)
        if analytics is None:
            return response
        add_never_cache_headers(response)  # what was refused is not shown again from a cache
        if analytics.loads:
            parts = urlsplit(settings.ANALYTICS_SCRIPT)
            host = f"{parts.scheme}://{parts.netloc}"
            response._csp_update = {"script-src": [host], "connect-src": [host]}  # noqa: SLF001 - as csp's decorators do
        return response

    def process_view(self, request: HttpRequest, *_view: object) -> None:
        """Look once, before the view: an error page must not ask the database."""
        match = request.resolver_match
        if match is not None and match.view_name in PAGES and not request.user.is_authenticated:
            request.analytics = look(request)


@dataclass(frozen=True, slots=True)
class Analytics:
    """What a page does about the provider: ask, load, or neither."""

    asks: bool
    loads: bool


def look(request: HttpRequest) -> Analytics | None:
    """Say what a page does; None where the policy in force does not name the provider."""
    version = asking_version()
    if version is None:
        return None
    if objects(request):
        return Analytics(asks=False, loads=False)
    chosen = choice_of(request)
    return Analytics(asks=chosen is None, loads=chosen is not None and chosen.is_accepted)


def asking_version() -> str | None:
    """Return the version of the policy that is in force, if it names the provider."""
    if not settings.ANALYTICS_SCRIPT:
        return None
    document = current("privacy")
    return document.version if document.analytics == settings.ANALYTICS_NAME else None


def objects(request: HttpRequest) -> bool:
    """Say whether the browser asks not to be followed (Do Not Track, Global Privacy Control)."""
    return request.headers.get("DNT") == "1" or request.headers.get("Sec-GPC") == "1"


def choice_of(request: HttpRequest) -> Choice | None:
    """Return the choice that is in force; None if there is none, or of another version."""
    chosen = _read(request)
    return chosen if chosen is not None and chosen.version == asking_version() else None


def choose(request: HttpRequest, response: HttpResponse, *, accepts: bool) -> None:
    """Record a choice and keep it in the cookie; who refuses loses the provider's cookies.

    Several choices of one browser have one reference, so that it can be shown what came when.
    """
    version, before = asking_version(), _read(request)
    if version is None:
        return
    chosen = Choice(
        is_accepted=accepts and not objects(request),
        version=version,
        reference=before.reference if before else uuid4(),
    )
    Consent.objects.create(
        reference=chosen.reference, is_accepted=chosen.is_accepted, version=version
    )
    response.set_signed_cookie(
        settings.CONSENT_COOKIE_NAME,
        str(chosen),
        salt=_SALT,
        max_age=VALID,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    if not chosen.is_accepted:
        _delete_foreign_cookies(request, response)


def _read(request: HttpRequest) -> Choice | None:
    try:
        text = request.get_signed_cookie(
            settings.CONSENT_COOKIE_NAME, salt=_SALT, max_age=VALID, default=""
        )
    except BadSignature:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    return Choice(found["choice"] == "accepted", found["version"], UUID(found["reference"]))


def _delete_foreign_cookies(request: HttpRequest, response: HttpResponse) -> None:
    """Delete every cookie of this site that is not ours, for this host and the domains above."""
    ours = {
        settings.SESSION_COOKIE_NAME,
        settings.CSRF_COOKIE_NAME,
        settings.CONSENT_COOKIE_NAME,
    }
    host = request.get_host().partition(":")[0]
    labels = host.split(".")
    domains = ["", *(".".join(labels[place:]) for place in range(len(labels) - 1))]
    for name in request.COOKIES.keys() - ours:
        for domain in domains:
            gone: Morsel[str] = Morsel()
            try:
                gone.set(name, "", "")
            except CookieError:  # a name that no answer may carry
                break
            gone["path"], gone["max-age"], gone["domain"] = "/", 0, domain
            gone["secure"] = settings.SESSION_COOKIE_SECURE
            response.cookies[f"{name} {domain}"] = gone  # one name, several domains


# --- Afterwards ------------------------------------------------------------------------------
def forget_old() -> int:
    """Delete the records that prove nothing any more; return how many."""
    gone, _ = Consent.objects.filter(at__lt=clock.now() - KEPT).delete()
    return gone
