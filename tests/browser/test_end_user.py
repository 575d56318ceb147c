"""One end user, looked up by keyboard and without a script: the id stays out of every address."""

import json

import httpx
import pytest

from tests.browser.test_every_page import AXE, FIND, HOSTILE, RULES
from tests.calls import CALL

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("has_script", [True, False])
def test_looked_up_and_taken_along_without_the_id_in_any_address(site, visit, has_script):
    company = site.open_company(f"looker-{has_script}@acme.example".lower())
    headers = {"Authorization": f"Bearer {company.key}"}
    for user_id in HOSTILE[:3]:
        httpx.post(f"{site.url}/v1/events", json={**CALL, "user_id": user_id}, headers=headers)
    page = visit(390, java_script_enabled=has_script, bypass_csp=has_script)
    page.context.add_cookies([{"name": "session", "value": company.session, "url": site.url}])
    addresses = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto("/account/data/")
    page.get_by_role("link", name="Choose a user").click()

    for user_id in HOSTILE[:3]:
        field = page.get_by_role("textbox", name="User id")
        field.fill(user_id)
        with page.expect_navigation():
            field.press("Enter")
        with page.expect_download() as taken:
            page.get_by_role("button", name="JSON lines").press("Enter")
        assert json.loads(taken.value.path().read_text())["user_id"] == user_id
        if has_script:
            assert page.evaluate("document.body.scrollWidth - innerWidth") <= 0

    assert {address.removeprefix(site.url) for address in addresses if "/user" in address} == {
        "/account/data/user/",
        "/account/data/user/calls/",
    }
    if has_script:
        page.add_script_tag(path=AXE)
        assert page.evaluate(FIND, RULES) == []
