"""Every page: no sideways scroll, no complaint of the browser, no finding of axe, no trace left."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.calls import CALL

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AXE = Path(__file__).parent / "vendor/axe-core-4.14.1/axe.min.js"
HOSTILE = [
    '"><svg/onload=alert(1)>{{7*7}}${x}</script><script>alert(1)</script>',
    "\u202egnp.exe",
    "x" * 200,
    "W" * 200,
    "=cmd|' /C calc'!A0",
]
PUBLIC = [
    "/",
    "/signup/",
    "/login/",
    "/login/sso/",
    "/password/reset/",
    "/privacy/",
    "/privacy/history/",
    "/privacy/history/2026-11-24/",
    "/privacy/subprocessors/",
    "/privacy/request/",
    "/privacy/request/sent/",
    "/privacy/deleted/",
    "/contact/",
    "/security/",
    "/terms/",
    "/dev/mail/",
    "/nowhere/",
]
SIGNED_IN = [
    "/app/?range=30d", "/app/?range=24h", "/app/?range=7d", "/app/prod/start/", "/app/prod/keys/",
    "/app/?range=30d&filter.feature=" + "x" * 200, "/account/data/", "/account/data/user/", "/account/data/requests/",
    "/account/billing/", "/account/billing/address/", "/account/team/", "/account/team/ownership/",
    "/account/audit/", "/account/projects/", "/app/prod/settings/", "/account/close/",
    "/account/security/", "/account/security/app/", "/account/security/sso/",
    "/account/data/exports/", "/account/data/retention/", "/account/data/delete/",
    "/account/data/deletions/", "/account/deletion/",
]  # fmt: skip
WIDTHS = [360, 390, 1440]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FIND = """async rules => (await axe.run(document, {runOnly: rules})).violations
    .map(one => one.id + ': ' + one.nodes.map(node => node.target.join(' ')).slice(0, 3).join(', '))"""


@pytest.fixture(scope="module")
def company(site):
    made = site.open_company()
    events = [
        {
            **CALL,
            "model": name,
            "feature": name,
            "user_id": name,
            "prompt_version": name,
            "latency_ms": 900,
        }
        for name in HOSTILE
    ]
    headers = {"Authorization": f"Bearer {made.key}"}
    assert (
        httpx.post(f"{site.url}/v1/events", json=[*events, CALL], headers=headers).json()[
            "accepted"
        ]
        == 6
    )
    return made


def stored_by(page):
    """What the page keeps in its two storages, as the browser itself tells it."""
    browser = page.context.new_cdp_session(page)
    origin = page.evaluate("location.origin")
    kept = []
    for is_local in (True, False):
        storage = {"securityOrigin": origin, "isLocalStorage": is_local}
        items = browser.send("DOMStorage.getDOMStorageItems", {"storageId": storage})
        kept += [name for name, _value in items["entries"]]
    browser.detach()
    return kept


def test_what_a_page_stores_would_be_seen(visit, complaints):
    page = visit()
    page.goto("/healthz")  # no script of ours runs here
    page.evaluate("localStorage.setItem('one', 1); sessionStorage.setItem('two', 2)")
    complaints.clear()  # this address has no icon

    assert stored_by(page) == ["one", "two"]


def look(page, address, complaints):
    """Open a page and return what is wrong with it."""
    answer = page.goto(address)
    assert answer.status == (404 if address == "/nowhere/" else 200), address
    if answer.status == 404:  # which the browser's console tells too
        complaints.clear()
    page.wait_for_load_state(
        "networkidle"
    ) if "range" not in address else page.wait_for_load_state()
    wrong = []
    wide = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    if wide > 0:
        wrong.append(f"{address} scrolls sideways by {wide} px")
    if page.evaluate("document.querySelectorAll('[onload], main script, [style]').length"):
        wrong.append(f"{address} has inline code or style")
    wrong += [f"{address} stores {name} in the browser" for name in stored_by(page)]
    names = {cookie["name"] for cookie in page.context.cookies()}
    if names - {"session", "csrf", "messages"}:
        wrong.append(f"{address} sets {names}")
    return wrong


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_public_pages(visit, complaints, width, scheme):
    page = visit(width, color_scheme=scheme, bypass_csp=False)

    assert [wrong for address in PUBLIC for wrong in look(page, address, complaints)] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_signed_in_pages_with_hostile_names(site, visit, company, complaints, width, scheme):
    page = visit(width, color_scheme=scheme)
    page.context.add_cookies([{"name": "session", "value": company.session, "url": site.url}])

    assert [wrong for address in SIGNED_IN for wrong in look(page, address, complaints)] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing(site, visit, company, complaints, width, scheme):
    # axe itself is not the page's code, so this window lets it in past the page's policy.
    page = visit(width, color_scheme=scheme, bypass_csp=True)
    found = []
    for address in (*PUBLIC, *SIGNED_IN):
        if address == SIGNED_IN[0]:
            page.context.add_cookies(
                [{"name": "session", "value": company.session, "url": site.url}]
            )
        page.goto(address)
        page.add_script_tag(path=AXE)
        found += [f"{urlsplit(address).path} {one}" for one in page.evaluate(FIND, RULES)]
        if address == "/nowhere/":
            complaints.clear()

    assert found == []
