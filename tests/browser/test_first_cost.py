"""From the landing page to the first exact cost, as a person would go."""

import email
import email.policy
import re
import subprocess
import time

import httpx
import pytest
from playwright.sync_api import expect

from tests.group import eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PASSWORD = "sunny side of the street"


def newest_mail(site, address):
    """The text of the newest mail to an address, from the files of local mode."""

    def find():
        files = sorted((site.data_dir / "mail").glob("*"), key=lambda file: file.stat().st_mtime)
        for file in reversed(files):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            if address in str(message["To"]):
                return message.get_body(("plain",)).get_content()
        return None

    return eventually(find, 10, f"a mail to {address}")


def sign_up(page, site, address):
    page.goto("/")
    page.get_by_role("link", name="Create account").first.click()
    page.get_by_label("Name").fill("Mara Lindqvist")
    page.get_by_label("Email").fill(address)
    page.get_by_label("Company").fill("Acme GmbH")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label(re.compile("I am 16 or older")).check()
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/confirm-email/")
    link = re.search(r"http://\S+/confirm-email/\S+", newest_mail(site, address))[0]
    page.goto(link)
    page.get_by_role("button").filter(has_text=re.compile("onfirm")).click()


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_stranger_signs_up_and_sees_what_the_call_just_sent_has_cost(site, visit, tmp_path):
    page = visit()
    sign_up(page, site, "mara@acme.example")
    page.wait_for_url("**/start/")

    # The key comes by itself, once, and in the snippets.
    panels = page.locator(".tabs__panel pre")
    expect(panels).to_have_count(3)
    curl, python, typescript = (panels.nth(n).text_content() for n in range(3))
    key = re.search(r"llmc_live_[0-9A-Za-z]{38}", curl)[0]
    assert key in python
    assert key in typescript
    expect(page.get_by_text("Waiting for your first event")).to_be_visible()

    sent = run("bash", "-c", curl)
    assert '"accepted":1' in sent.stdout.replace(" ", ""), sent
    received = page.get_by_text(
        re.compile(r"First event received: gpt-5-mini, [\d,]+ tokens, \$0\.0\d+")
    )
    expect(received).to_be_visible(timeout=5_000)

    (tmp_path / "call.py").write_text(python)
    (tmp_path / "call.mjs").write_text(typescript)
    for command in (("python3", str(tmp_path / "call.py")), ("node", str(tmp_path / "call.mjs"))):
        done = run(*command)
        assert done.returncode == 0, done

    page.get_by_role("link", name="Open the overview").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("link", name="gpt-5-mini").first).to_be_visible()
    spent = page.locator("main").inner_text()
    assert re.search(r"\$0\.00\d", spent)

    # Another call shows within three seconds, without a reload.
    page.evaluate("window.stays = true")
    began = time.monotonic()
    answer = httpx.post(
        f"{site.url}/v1/events",
        json={"model": "claude-sonnet-4-5", "input_tokens": 1, "output_tokens": 0},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 200
    expect(page.get_by_role("link", name="claude-sonnet-4-5").first).to_be_visible(timeout=3_000)
    assert time.monotonic() - began < 3.5
    assert page.evaluate("window.stays")

    page.goto("/app/prod/start/")
    expect(page.get_by_text("This project has a key")).to_be_visible()
    assert key not in page.content()

    page.goto("/app/prod/keys/")
    expect(page.get_by_role("table")).to_contain_text(key[-4:])
    page.context.clear_cookies()
    page.goto("/app/")
    page.get_by_label("Email").fill("mara@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_the_same_way_without_javascript(site, visit):
    page = visit(java_script_enabled=False)
    sign_up(page, site, "nora@acme.example")
    page.get_by_role("button", name="Show my key").click()
    key = re.search(r"llmc_live_[0-9A-Za-z]{38}", page.content())[0]
    call = {"model": "gpt-5-mini", "input_tokens": 1000, "output_tokens": 204}
    headers = {"Authorization": f"Bearer {key}"}

    assert httpx.post(f"{site.url}/v1/events", json=call, headers=headers).status_code == 200

    page.goto("/app/prod/start/")
    expect(page.get_by_text("First event received: gpt-5-mini, 1,204 tokens")).to_be_visible()
    page.goto("/app/")
    page.get_by_role("link", name="7 d").click()
    assert "range=7d" in page.url
    page.get_by_role("link", name="gpt-5-mini").first.click()
    assert "filter.model=gpt-5-mini" in page.url
    page.locator("summary", has_text="Data table").click()
    expect(page.locator("details[open] table")).to_contain_text("$0.000658")
