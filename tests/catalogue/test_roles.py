"""Every page and endpoint, tried as every role and with every kind of key: as the one table says.

What is expected is computed from `accounts.rights.RIGHTS` and from the scope that each endpoint
declares. A route that declares neither a right nor a reason to need none turns this red.
"""

import re
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from accounts.models import Invitation, Membership, Role, User
from accounts.rights import RIGHTS, Right, may
from accounts.team.invitations import invite
from llmcost.tenancy.context import tenant
from projects.models import Scope
from projects.services import issue_key
from tests.accounts.people import add
from tests.catalogue.test_strangers import METHODS
from tests.conftest import open_company
from tests.scenes import kept, same_browser, same_company

# Routes for everybody, signed in or not, each with its reason.
PUBLIC = {
    r"healthz|readyz|api/(schema|docs)/": "health, and the description of the API",
    r"|privacy/.*|terms/.*|contact/.*|security/|favicon\.ico": "the public site",
    r"signup/.*|login/.*|logout/|inactive/|confirm-email/.*|password/.*|reauthenticate/.*": "sign-in",
    r"invitation/.*|registrations/.*": "the token is the right",
    r"billing/webhook/": "Stripe, by its signature",
    r"dev/.*": "a person's own machine only",
    r"admin/.*": "staff, by their duties: tried in tests/accounts",
    r"\.well-known/.*|robots\.txt": "files for machines",
}
# Endpoints that take no key, each with its reason.
KEYLESS = {
    "v1/keys/leaked": "signed by whoever reports",
    "v1/inbound-mail": "signed by the mail service",
    "v1/receipts/key": "the public key with which receipts are checked",
    "v1/registrations": "from installations that others run",
}


def routes(resolver=None, prefix=""):
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback


def is_public(route):
    return any(re.fullmatch(pattern, route.removesuffix("$")) for pattern in PUBLIC)


API = {
    route: callback.cls
    for route, callback in routes()
    if issubclass(getattr(callback, "cls", type), APIView) and not is_public(route)
}
PAGES = {
    route: callback for route, callback in routes() if route not in API and not is_public(route)
}
MEMBERS = {route: view for route, view in PAGES.items() if getattr(view, "right", None)}
PERSONS = {route: view for route, view in PAGES.items() if getattr(view, "right", "") is None}


def test_every_signed_in_page_declares_its_right():
    assert set(PAGES) - set(MEMBERS) - set(PERSONS) == set()
    assert len(MEMBERS) > 20


def test_every_right_is_one_of_the_table():
    assert {view.right for view in MEMBERS.values()} <= set(RIGHTS)
    assert set(Right) == set(RIGHTS)


def address(route, values):
    """Fill a route with what is there, else with something of its kind that is not."""

    def part(found):
        kind, name = found[1] or "str", found[2]
        return str(values.get(name, UUID(int=1) if kind == "uuid" else 1))

    return "/" + re.sub(r"<(?:(\w+):)?(\w+)>", part, route)


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker):
    with kept(django_db_blocker, whole_team) as made:
        yield made


@pytest.fixture
def acme(scene, db):
    return same_company(scene.acme)


@pytest.fixture
def team(scene, db):
    """One signed-in member of each role, and something of each kind to name in an address."""
    clients = {role: same_browser(*browser) for role, browser in scene.browsers.items()}
    return clients, scene.values


def whole_team():
    acme = open_company("Acme", "alice@acme.example")
    browsers = {Role.OWNER: (acme.client, acme.owner)}
    for role in Role:
        if role != Role.OWNER:
            member, client = add(acme, f"{role}@acme.example", role)
            browsers[role] = client, member.user
    with tenant(acme.account.pk):
        other = User.objects.create(email="other@acme.example", name="Other")
        membership = Membership.objects.create(account=acme.account, user=other, role=Role.MEMBER)
        invite(acme.account.pk, email="new@acme.example", role=Role.MEMBER, by=acme.owner)
        invitation = Invitation.objects.get()
    values = {
        "project": "prod",
        "key_id": acme.key_row.pk,
        "member": membership.pk,
        "invitation": invitation.pk,
        "export": "0190a8a8-0000-7000-8000-000000000000",
    }
    return SimpleNamespace(acme=acme, browsers=browsers, values=values)


@pytest.mark.parametrize("route", sorted(MEMBERS))
def test_a_page_is_open_to_the_roles_of_its_right_and_to_no_other(route, team):
    clients, values = team
    view = MEMBERS[route]

    # Those who may not come first, because one who may can change what is there.
    for role in sorted(Role, key=lambda one: may(one, view.right)):
        for method in METHODS:
            answer = clients[role].generic(
                method, address(route, values), content_type="application/x-www-form-urlencoded"
            )
            if answer.status_code == 405:
                continue
            refused = answer.status_code == 403 and b"does not include this" in (
                answer.content or b"does not include this"
            )
            if getattr(view, "leads_home", False) and not may(role, view.right):
                assert answer.status_code == 302, (role, method)
                assert not answer["Location"].startswith("/app/")
            elif may(role, view.right):
                assert not refused, (role, method)
            else:
                assert refused, (role, method, answer.status_code)


@pytest.mark.parametrize("route", sorted(PERSONS))
def test_a_page_about_the_person_is_open_to_every_role(route, team):
    clients, values = team

    for role in Role:
        answer = clients[role].get(address(route, values))
        assert answer.status_code in (200, 302, 404, 405), role


@pytest.mark.parametrize("route", sorted(API))
def test_every_endpoint_declares_its_scope(route):
    assert route in KEYLESS or API[route].scope in list(Scope)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("route", sorted(set(API) - set(KEYLESS)))
def test_an_endpoint_is_open_to_keys_of_its_scope_and_to_no_other(route, scope, acme, api):
    with tenant(acme.account.pk):
        _, key = issue_key(acme.project, name="Only", scopes=[scope], by=acme.owner)
    methods = [name.upper() for name in API[route].http_method_names if hasattr(API[route], name)]
    for method in set(methods) - {"OPTIONS"}:
        answer = api(key, method, address(route, {}))
        refused = answer.status_code == 403
        assert refused == (API[route].scope != scope), (method, answer.status_code)
        if refused and method != "HEAD":
            assert answer.json()["error"]["code"] == "missing_scope"
        assert api(None, method, address(route, {})).status_code == 401
