"""From sign-up to a paid plan, as a person would go: a declined card, then 3-D Secure."""

import re

import pytest
from playwright.sync_api import expect

from tests.billing.shop.conftest import ASKS_ALWAYS, DECLINED
from tests.browser.test_every_page import AXE, FIND, RULES
from tests.browser.test_first_cost import PASSWORD, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def enter(page, number):
    for place, text in {
        "number": number,
        "exp_month": "12",
        "exp_year": "40",
        "cvc": "123",
    }.items():
        page.get_by_placeholder(place).fill(text)


def findings(page):
    page.evaluate(AXE.read_text())
    return page.evaluate(FIND, RULES)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_from_sign_up_to_a_paid_plan(site, visit, complaints, colours):
    page = visit(width=390 if colours == "dark" else 1440, color_scheme=colours)
    sign_up(page, site, f"{colours}@buyer.example")
    page.goto("/account/billing/plans/team/")
    if "reauthenticate" in page.url:
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Street and number").fill("1 Main Street")
    page.get_by_label("City").fill("Berlin")
    page.get_by_label("Country").select_option("DE")
    assert findings(page) == []

    enter(page, DECLINED)
    page.get_by_role("button", name="Pay $49").click()
    expect(page.get_by_text("Your card was declined.")).to_be_visible()
    assert [re.sub(r" \(.*", "", one) for one in complaints] == [
        "console: Failed to load resource: the server responded with a status of 402"
    ]
    complaints.clear()

    page.get_by_placeholder("number").fill(ASKS_ALWAYS)
    page.get_by_role("button", name="Pay $49").click()
    page.get_by_role("button", name="Complete authentication").click()
    page.wait_for_url("**/account/billing/payment/")
    page.get_by_role("button", name="Confirm with my bank").click()
    page.get_by_role("button", name="Complete authentication").click()

    expect(page.get_by_text("Your payment is confirmed.")).to_be_visible()
    expect(page.get_by_role("heading", name="Team")).to_be_visible()
    expect(page.get_by_text("•••• 3184")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("LOCAL-.*\\$49.*paid"))).to_be_visible()
    assert findings(page) == []
