"""The customer lets our support look, support looks, the customer sees it and ends it."""

import json
import subprocess
import sys
from itertools import count
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from tests.browser.test_every_page import AXE, FIND, RULES
from tests.up.site import REPOSITORY, environment

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
EMPLOY = """
import json, sys, django
django.setup()
from tests.accounts.staff import employ
from tests.conftest import open_company
number = sys.argv[1]
company = open_company(f"Initech {number}", f"peter{number}@initech.example")
staff = employ(f"sam{number}@support.example", "Sam Ito", "support", "privacy officer")
print(json.dumps({
    "key": company.key,
    "account": company.account.pk,
    "owner": company.client.cookies["session"].value,
    "staff": staff.client.cookies["session"].value,
}))
"""


NUMBERS = count(1)


@pytest.fixture
def people(site):
    """A company of this test's own and somebody of our staff: what is granted stays here."""
    number = str(next(NUMBERS))
    made = subprocess.run(
        [sys.executable, "-c", EMPLOY, number],
        cwd=REPOSITORY,
        env=environment(site.data_dir, site.port, DJANGO_SETTINGS_MODULE="llmcost.settings"),
        check=True,
        capture_output=True,
        text=True,
    )
    return SimpleNamespace(**json.loads(made.stdout), company=f"Initech {number}", number=number)


def enter(page, site, session):
    page.context.add_cookies([{"name": "session", "value": session, "url": site.url}])
    return page


def test_the_customer_grants_support_looks_and_the_grant_ends(site, visit, people, complaints):
    owner = enter(visit(), site, people.owner)
    staff = enter(visit(), site, people.staff)
    headers = {"Authorization": f"Bearer {people.key}"}
    call = {"model": "gpt-4o", "input_tokens": 9, "output_tokens": 9, "feature": "only-theirs"}
    assert owner.request.post("/v1/events", data=call, headers=headers).ok

    staff.goto("/admin/")
    staff.get_by_label("E-mail address, company").fill(f"peter{people.number}@ini")
    staff.get_by_role("button", name="Find").click()
    staff.get_by_role("link", name=people.company).click()
    expect(staff.get_by_text("The customer has not granted it.")).to_be_visible()

    owner.goto("/account/security/")
    owner.get_by_role("link", name="Support access").click()
    owner.get_by_label("For how long").select_option("1 hour")
    owner.get_by_label("What for").fill("Ticket 4711")
    owner.get_by_role("button", name="Grant access").click()
    expect(owner.get_by_text("Our support may look now.")).to_be_visible()

    staff.reload()
    expect(staff.get_by_text("Ticket 4711")).to_be_visible()
    staff.get_by_role("button", name="View their pages").click()
    expect(staff.get_by_text(f"You look at the pages of {people.company}")).to_be_visible()
    expect(staff.get_by_text("only-theirs").first).to_be_visible()
    staff.get_by_role("link", name="7 d").click()
    expect(staff.get_by_role("link", name="7 d")).to_have_attribute("aria-current", "true")

    owner.reload()
    expect(owner.get_by_role("rowheader", name="Looked at a page /app/")).not_to_have_count(0)
    expect(owner.get_by_text("Sam of our support").first).to_be_visible()
    owner.get_by_role("button", name="End it now").click()
    expect(owner.get_by_text("Support access has ended.")).to_be_visible()

    staff.goto("/app/")
    expect(staff.get_by_text("The customer's grant has ended")).to_be_visible()
    expect(staff.get_by_text("only-theirs")).to_have_count(0)


def test_a_page_that_support_looks_at_does_not_ask_by_itself(site, visit, people):
    owner = enter(visit(), site, people.owner)
    owner.goto("/account/security/support/")
    owner.get_by_label("What for").fill("Ticket 4712")
    owner.get_by_role("button", name="Grant access").click()
    staff = enter(visit(), site, people.staff)
    staff.goto(f"/admin/accounts/account/{people.account}/")
    asked = []
    staff.on("request", lambda request: "seen=" in request.url and asked.append(request.url))
    staff.clock.install()

    staff.get_by_role("button", name="View their pages").click()
    expect(staff.get_by_text(f"You look at the pages of {people.company}")).to_be_visible()
    staff.clock.run_for(30_000)

    assert asked == []
    staff.get_by_role("button", name="Leave").click()
    expect(staff.get_by_role("heading", name=people.company)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_pages_of_staff_fit_and_axe_finds_nothing(site, visit, people, width, scheme):
    # axe itself is not the page's code, so this window lets it in past the page's policy.
    page = enter(visit(width, color_scheme=scheme, bypass_csp=True), site, people.staff)
    account = f"/admin/accounts/account/{people.account}/"
    found = []
    for address in ("/admin/accounts/account/?q=initech", account, "/admin/accounts/staffact/"):
        assert page.goto(address).ok
        for summary in page.locator("main summary").all():
            summary.click()
        page.add_script_tag(path=AXE)
        found += [f"{address} {one}" for one in page.evaluate(FIND, RULES)]
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        found += [f"{address} scrolls sideways"] * bool(page.evaluate(wide) > 0)

    assert found == []
