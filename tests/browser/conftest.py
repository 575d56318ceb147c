"""A site as a person runs it, and a Chromium that forgives nothing."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from llmcost.installation import local_stripe_url
from tests.group import Group, running_group

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def site() -> Iterator[Group]:
    with running_group(LOCAL_STRIPE="on") as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is missing: install Debian's package `chromium` (.ci/run does)."
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: errors, refused inline code, requests to elsewhere."""
    return []


@pytest.fixture
def visit(site: Group, browser: Browser, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Open a window: `visit(width=390, color_scheme="dark", java_script_enabled=False)`."""
    contexts: list[BrowserContext] = []

    def open_window(width: int = 1440, **options: Any) -> Page:
        home = options.pop("base_url", site.url)
        # Stripe's script and what it asks; no other page may, says the Content-Security-Policy.
        stripe = local_stripe_url(site.data_dir)
        context = browser.new_context(
            base_url=home, locale="en-US", viewport={"width": width, "height": 900}, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on(
            "console",
            lambda line: line.type == "error" and complaints.append(f"console: {line.text}"),
        )
        page.on(
            "request",
            lambda request: (
                request.url.startswith((home, stripe, "data:"))
                or complaints.append(f"elsewhere: {request.url}")
            ),
        )
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert complaints == []
