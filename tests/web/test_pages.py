"""Every public page: its headers, and nothing inline or from elsewhere."""

import re
from html.parser import HTMLParser

import pytest
from django.test import Client

PAGES = [
    "/", "/signup/", "/login/", "/privacy/", "/terms/", "/privacy/history/",
    "/privacy/history/2026-11-24/", "/terms/history/", "/terms/history/2026-11-23/",
    "/privacy/subprocessors/", "/privacy/request/", "/privacy/request/sent/",
    "/privacy/request/confirmed/", "/contact/", "/contact/sent/", "/security/", "/password/reset/",
    "/password/reset/done/",
    "/confirm-email/", "/confirm-email/no-such-key/", "/password/reset/key/1-no-such-key/",
    "/password/reset/key/done/", "/inactive/", "/dev/mail/", "/dev/components/", "/nothing-here/",
]  # fmt: skip
LOCAL = {"HTTP_HOST": "127.0.0.1:8000"}


class Reader(HTMLParser):
    """Collects what a strict policy would refuse, and where links lead."""

    def __init__(self, html):
        super().__init__()
        self.inline, self.loads, self.links, self.ids, self.headings = [], [], [], [], 0
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += ["<style>"] if tag == "style" else []
        self.headings += tag == "h1"
        self._in_script = tag == "script"
        if "id" in given:
            self.ids.append(given["id"])
        if tag in ("script", "img", "iframe", "link", "use"):
            self.loads.append(given.get("src") or given.get("href") or "")
        if tag == "a":
            self.links.append(given.get("href", ""))

    def handle_data(self, text):
        if self._in_script and text.strip():
            self.inline.append(text)

    def handle_endtag(self, _tag):
        self._in_script = False


@pytest.fixture(params=PAGES)
def page(request, db, client):
    response = client.get(request.param, **LOCAL)
    assert response.status_code == (404 if request.param == "/nothing-here/" else 200)
    return response


def test_no_page_has_anything_inline(page):
    assert Reader(page.content.decode()).inline == []


def test_no_page_loads_anything_from_elsewhere(page):
    for address in Reader(page.content.decode()).loads:
        assert address.startswith("/static/"), address


def test_every_page_has_one_heading_and_no_id_twice(page):
    html = Reader(page.content.decode())

    assert html.headings == 1
    assert len(html.ids) == len(set(html.ids))


def test_every_page_forbids_what_it_does_not_need(page):
    policy = dict(part.strip().split(" ", 1) for part in page["Content-Security-Policy"].split(";"))

    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["Referrer-Policy"] == "same-origin"
    assert "camera=()" in page["Permissions-Policy"]


def test_no_public_link_leads_nowhere(db, client):
    seen = set()
    for address in PAGES:
        seen |= set(Reader(client.get(address, **LOCAL).content.decode()).links)

    for link in sorted(seen):
        path, _, anchor = link.partition("#")
        if path.startswith(("mailto:", "/app/")):  # pages of the signed-in have their own tests
            continue
        response = client.get(path or "/", **LOCAL)
        assert response.status_code in (200, 302), link
        if anchor and path:
            assert anchor in Reader(response.content.decode()).ids, link


def test_reading_sets_no_cookie(db, client):
    for address in ("/", "/privacy/", "/terms/", "/nothing-here/"):
        assert not client.get(address, **LOCAL).cookies, address


def test_a_page_that_knows_who_asks_is_kept_by_no_cache(acme):
    assert "no-store" in acme.client.get("/", **LOCAL)["Cache-Control"]


def test_an_error_page_needs_no_database(client):
    """The `db` fixture is absent: any query would fail this test."""
    response = client.get("/nothing-here/", **LOCAL)

    assert response.status_code == 404
    assert re.search(rb"Request id <code>req_[0-9a-f]{32}</code>", response.content)


def test_a_failure_shows_its_id_and_nothing_of_itself(client, monkeypatch):
    def fail(*_):
        raise ValueError("secret value")

    monkeypatch.setattr("llmcost.web.views.render", fail)
    quiet = Client(raise_request_exception=False)

    response = quiet.get("/", **LOCAL)

    assert response.status_code == 500
    assert b"Something failed on our side" in response.content
    assert b"secret value" not in response.content
