"""From an invitation to a second member to the removal, as two people would go."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_first_cost import newest_mail

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def as_owner(site, page, company):
    page.context.add_cookies([{"name": "session", "value": company.session, "url": site.url}])
    return page


def invitation_to(site, address):
    """The link of the newest mail to an address, which the worker sends."""
    return re.search(r"http://\S+/invitation/\S+", newest_mail(site, address))[0]


@pytest.mark.parametrize("with_script", [True, False], ids=["script", "no script"])
def test_somebody_is_invited_joins_works_and_is_removed(site, visit, complaints, with_script):
    name = "bob" if with_script else "bea"
    company = site.open_company(f"owner-of-{name}@acme.example")
    owner = as_owner(site, visit(java_script_enabled=with_script), company)
    owner.goto("/account/team/")
    owner.get_by_label("Email").fill(f"{name}@acme.example")
    owner.get_by_role("combobox", name="Role").last.select_option("Read-only")
    owner.get_by_role("button", name="Send invitation").click()
    expect(owner.get_by_text(f"on its way to {name}@acme.example")).to_be_visible()

    guest = visit(width=390, java_script_enabled=with_script)
    guest.goto(invitation_to(site, f"{name}@acme.example"))
    guest.get_by_role("link", name="Create your user").click()
    expect(guest.get_by_label("Email")).to_be_disabled()
    guest.get_by_label("Name").fill(name.title())
    guest.get_by_label("Password", exact=True).fill("four grey horses run")
    guest.get_by_label(re.compile("I am 16 or older")).check()
    guest.get_by_role("button", name="Join").click()
    guest.wait_for_url("**/app/**")
    guest.goto("/account/team/")
    expect(guest.get_by_role("table", name="Members")).to_contain_text(name.title())
    expect(guest.get_by_role("button", name="Send invitation")).to_have_count(0)

    owner.goto("/account/team/")
    owner.locator("summary", has_text="Read-only").click()
    owner.get_by_role("button", name=f"Remove {name.title()}").click()
    expect(owner.get_by_text("does not belong to the account any more")).to_be_visible()

    refused = guest.goto("/app/")
    assert refused.status == 404
    expect(guest.get_by_text("You do not belong to an account yet")).to_be_visible()
    complaints.clear()  # the browser's console tells of the 404
