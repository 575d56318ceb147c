"""Analytics of somebody else, as a browser meets them: asked first, and gone when refused."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test.testcases import LiveServerThread

from privacy.models import Consent
from tests.browser.test_every_page import AXE, FIND, RULES, stored_by
from tests.privacy.test_consent import configured, drafted  # noqa: F401 - fixtures

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# What such a script does: a cookie of this site, and a request to its own host.
SCRIPT = b"""document.cookie = "_stats=1; path=/";
fetch(new URL("/hit", document.querySelector("script[nonce]").src), {mode: "no-cors"});"""


class Provider(BaseHTTPRequestHandler):
    """The provider: gives its script, and notes what it is asked for."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript")
        self.end_headers()
        self.wfile.write(SCRIPT if self.path == "/script.js" else b"")

    def log_message(self, *_line):
        """Write nothing."""


@pytest.fixture
def provider() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        server.asked = []
        Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture
def address(committed, configured, provider, settings) -> Iterator[str]:  # noqa: F811
    """The site with that provider, in this process: what it may do depends on its policy's files."""
    settings.ANALYTICS_SCRIPT = f"http://127.0.0.1:{provider.server_port}/script.js"
    thread = LiveServerThread("127.0.0.1", StaticFilesHandler)
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    yield f"http://127.0.0.1:{thread.port}"
    thread.terminate()


@pytest.fixture
def window(address, browser):
    """Open a window that notes what goes elsewhere: `page, elsewhere = window()`."""
    contexts = []

    def open_window(**options):
        context = browser.new_context(base_url=address, **options)
        contexts.append(context)
        page, elsewhere = context.new_page(), []
        page.set_default_timeout(15_000)
        page.on(
            "request",
            lambda one: one.url.startswith((address, "data:")) or elsewhere.append(one.url),
        )
        return page, elsewhere

    yield open_window
    for context in contexts:
        context.close()


def walk(page):
    for path in ("/", "/privacy/", "/terms/", "/security/", "/contact/", "/login/"):
        page.goto(path)
        page.wait_for_load_state("networkidle")


def names(page):
    return {cookie["name"] for cookie in page.context.cookies()}


@pytest.mark.parametrize("has_script", [True, False])
def test_nothing_of_it_is_asked_for_before_accept_nor_after_refuse(window, provider, has_script):
    page, elsewhere = window(java_script_enabled=has_script)

    walk(page)
    assert names(page) == {"csrf"}
    page.goto("/terms/")
    page.get_by_role("dialog").get_by_role("button", name="Refuse").press("Enter")
    page.wait_for_url("**/terms/")
    page.get_by_role("dialog").wait_for(state="detached")
    walk(page)

    assert names(page) == {"csrf", "consent"}
    assert elsewhere == provider.asked == []
    assert [one.is_accepted for one in Consent.objects.all()] == [False]
    if has_script:
        assert stored_by(page) == []


def test_after_accept_it_loads_and_when_revoked_it_is_gone(window, provider):
    page, elsewhere = window(viewport={"width": 390, "height": 800})
    page.goto("/")
    # By keyboard alone: after the link to the content the dialogue comes first.
    for name in ("Skip to content", "More, and how to change your mind", "Refuse", "Accept"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == name

    with page.expect_response("**/hit"):
        page.keyboard.press("Enter")
    assert page.get_by_role("dialog").count() == 0
    assert provider.asked == ["/script.js", "/hit"]
    assert names(page) == {"csrf", "consent", "_stats"}
    page.goto("/contact/")
    page.wait_for_load_state("networkidle")
    assert len(elsewhere) == 2

    page.get_by_role("link", name="Cookie choices").click()
    page.get_by_role("button", name="Refuse").click()
    page.get_by_text("You have refused the cookies of Stats.").wait_for()
    walk(page)

    assert names(page) == {"csrf", "consent"}
    assert len(elsewhere) == 2
    assert [one.is_accepted for one in Consent.objects.order_by("pk")] == [True, False]


def test_a_browser_that_asks_not_to_be_followed_is_never_asked(window, provider):
    page, elsewhere = window(extra_http_headers={"Sec-GPC": "1"})

    for path in ("/", "/privacy/"):
        page.goto(path)
        assert page.get_by_role("dialog").count() == 0
    walk(page)

    assert elsewhere == provider.asked == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_the_question_is_for_everybody(window, width, scheme):
    page, _ = window(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)

    for path in ("/", "/privacy/cookies/"):
        page.goto(path)
        page.add_script_tag(path=AXE)
        assert page.evaluate(FIND, RULES) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [
            page.get_by_role("button", name=name, exact=True).bounding_box()
            for name in ("Refuse", "Accept")
        ]
        assert {(box["width"], box["height"], box["y"]) for box in boxes} == {
            (boxes[0]["width"], boxes[0]["height"], boxes[0]["y"])
        }
