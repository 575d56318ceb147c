"""Every page and endpoint of one company, tried as another: as if it were not there."""

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import Membership, Role, User
from accounts.sign_in.sessions import _handle
from accounts.team.invitations import invite
from llmcost.tenancy.context import tenant
from privacy import receipts
from privacy.requests.services import ask_as_member
from projects.models import Scope
from projects.services import issue_key, open_project
from tests.calls import CALL
from tests.conftest import open_company
from tests.scenes import kept, same_company

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# Addresses that name nothing of a company: public pages, sign-in, health, the API (whose key
# names the project), static files, the admin (tried in its own tests).
# An invoice is at Stripe: tried where there is one (tests/billing/shop).
# The file of an export is its own member's alone, not the account's: tried where it is made.
NAMELESS = re.compile(
    r"^(healthz|readyz|api/|admin/|static/|v1/|privacy/|terms/|dev/|login/|logout/|signup/|inactive/"
    r"|confirm-email/|email/|password/|reauthenticate/|contact/|security/|\.well-known/|invitation/"
    r"|app/$|account/data/exports/<"
    r"|account/[^<]*$|billing/webhook/$|registrations/|account/billing/(?:plans|invoices)/|favicon\.ico$|$)"
)
# Pages about whoever asks: they name nothing, so a stranger sees his own.
ABOUT_ONESELF = re.compile(r"^account/[^<]*$")
# What a receipt says of a deletion of nothing.
NOW = "2026-11-24T00:00:00+00:00"
ERASED = {
    "asked": {"scope": "user", "mode": "delete", "user": "", "from": None, "to": None},
    "requested_at": NOW, "verified_by": "a key", "done_at": NOW, "checked_at": NOW, "rows": {},
    "kept": [],
}  # fmt: skip
RANDOM = {
    "project": "no-such-project",
    "key": 987_654_321,
    "key_id": 987_654_321,
    "pk": 987_654_321,
    "handle": "0" * 32,
    "reference": "NOSUCHNO",
    "member": 987_654_321,
    "invitation": 987_654_321,
    "number": 987_654_321,
}


def routes(resolver=None, prefix="") -> Iterator[tuple[str, set[str]]]:
    """Every route and the names of its parts."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route, set(entry.pattern.converters)


OURS = sorted(
    (route, tuple(sorted(parts)))
    for route, parts in routes()
    if not NAMELESS.match(route.lstrip("^"))
)


OWN = sorted({route for route, _ in routes() if ABOUT_ONESELF.match(route)})


def address(route: str, values: dict[str, object]) -> str:
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda part: str(values[part[1]]), route)


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker):
    """Acme with its secrets, and Globex, made once: hundreds of tests begin with them."""
    with kept(django_db_blocker, two_companies) as made:
        yield made


@pytest.fixture
def acme(scene, db):
    return same_company(scene.acme)


@pytest.fixture
def globex(scene, db):
    return same_company(scene.globex)


@pytest.fixture
def secret(scene, db):
    """Where what only Acme has is found: a project with a key and a call in it, and the rest."""
    return scene.secret


def two_companies():
    acme = open_company("Acme", "alice@acme.example")
    globex = open_company("Globex", "carol@globex.example")
    return SimpleNamespace(acme=acme, globex=globex, secret=secrets_of(acme))


def secrets_of(acme):
    with tenant(acme.account.pk):
        project = open_project(acme.account, name="acme-secret")
        row, key = issue_key(
            project, name="Secret", scopes=[Scope.INGEST, Scope.READ], by=acme.owner
        )
        invited = invite(
            acme.account.pk, email="canary@acme.example", role=Role.MEMBER, by=acme.owner
        )
        second = Membership.objects.create(
            account=acme.account,
            user=User.objects.create(email="bob@acme.example"),
            role=Role.MEMBER,
        )
    call = {**CALL, "feature": "CANARY", "user_id": "CANARY"}
    headers = {"Authorization": f"Bearer {key}"}
    Client().post("/v1/events", call, content_type="application/json", headers=headers)
    asked = ask_as_member(acme.owner, kind="objection", text="CANARY")
    passkey = Authenticator.objects.create(
        user=acme.owner, type=Authenticator.Type.WEBAUTHN, data={"name": "CANARY"}
    )
    return {
        "project": project.slug,
        "key": row.pk,
        "key_id": row.pk,
        "pk": passkey.pk,
        "reference": asked.reference,
        "number": receipts.issue("erasure", acme.account.public_id, ERASED).number,
        "handle": _handle(acme.client.session.session_key),
        "member": second.pk,
        "invitation": invited.pk,
    }


def shown(answer) -> str:
    """A page without what differs from request to request."""
    text = answer.content.decode()
    text = re.sub(r"req_[0-9a-f]{32}", "", text)
    return re.sub(r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")[^"]*', "", text)


def test_there_are_addresses_to_try():
    assert len(OURS) >= 4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("route", "parts"), OURS, ids=[route for route, _ in OURS])
def test_a_strangers_address_answers_like_one_that_is_not_there(
    route, parts, method, secret, acme, globex
):
    foreign = globex.client.generic(method, address(route, secret))
    nobodys = globex.client.generic(method, address(route, RANDOM))

    assert foreign.status_code == nobodys.status_code
    assert foreign.status_code in (404, 405)
    assert shown(foreign).replace(str(secret["project"]), "") == shown(nobodys).replace(
        RANDOM["project"], ""
    )
    assert "CANARY" not in foreign.content.decode()


@pytest.mark.parametrize("half", ["project", "key"])
@pytest.mark.parametrize(
    ("route", "parts"), [(route, parts) for route, parts in OURS if len(parts) > 1]
)
def test_a_strangers_key_under_ones_own_project_is_not_there(route, parts, half, secret, globex):
    mixed = (
        {**secret, "project": globex.project.slug}
        if half == "project"
        else {**RANDOM, "project": secret["project"]}
    )

    assert globex.client.post(address(route, mixed)).status_code in (404, 405)
    assert globex.client.get(address(route, mixed)).status_code in (404, 405)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("route", "parts"), OURS, ids=[route for route, _ in OURS])
def test_visitors_are_led_to_sign_in(route, parts, method, secret, client):
    answer = client.generic(method, address(route, secret))

    assert answer.status_code in (302, 405)
    if answer.status_code == 302:
        assert answer["Location"].startswith(("/login/?next=/app/", "/login/?next=/account/"))


@pytest.mark.parametrize("route", OWN)
def test_pages_about_oneself_are_for_the_signed_in_alone(route, client, globex):
    for method in METHODS:
        answer = client.generic(method, f"/{route}")
        assert answer.status_code in (302, 405), method
        assert answer.get("Location", "/login/?").startswith("/login/?")

    careless = Client(enforce_csrf_checks=True)
    careless.cookies = globex.client.cookies
    assert careless.post(f"/{route}").status_code in (403, 405)
    assert globex.client.get(f"/{route}").headers.get("Cache-Control", "no-store").count("no-store")


def test_the_owner_finds_what_the_stranger_does_not(secret, acme):
    found = [acme.client.get(address(route, secret)).status_code for route, _ in OURS]

    assert 200 in found
    assert 404 not in found
    assert 500 not in found


@pytest.mark.parametrize(("route", "parts"), OURS, ids=[route for route, _ in OURS])
def test_a_post_without_the_forms_token_changes_nothing(route, parts, secret, acme):
    careless = Client(enforce_csrf_checks=True)
    careless.cookies = acme.client.cookies

    assert careless.post(address(route, secret)).status_code in (403, 405)
