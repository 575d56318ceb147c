"""A crawler that follows every link, signed out and in, and lists what a visit leaves behind.

Whatever goes to another host is a complaint of the window itself (tests/browser/conftest.py).
"""

from urllib.parse import urlsplit

import pytest

from tests.browser.test_every_page import stored_by

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LINKS = "[...document.querySelectorAll('a[href]')].map(one => one.href)"
POSTS = "document.querySelectorAll('form[method=post]').length"
# A schema is a file, signing out would end the walk, and the mails of other tests lead anywhere.
NOT_FOLLOWED = ("/api/schema/", "/logout/", "/dev/mail/")
FEWEST = 12


def walk(open_window, start, cookies=()):
    """Every page that links lead to: (path, has a form, names of cookies, what it stores).

    Cookies are taken away before each page, so that one is the doing of that page.
    """
    seen, waiting, found = {start}, [start], []
    page = open_window()
    while waiting:
        path = waiting.pop()
        page.context.clear_cookies()
        page.context.add_cookies(cookies)
        page.goto(path)
        page.wait_for_load_state("networkidle" if "/app/" not in path else "load")
        names = {cookie["name"] for cookie in page.context.cookies()}
        found.append((path, bool(page.evaluate(POSTS)), names, stored_by(page)))
        home = urlsplit(page.url).netloc
        for link in map(urlsplit, page.evaluate(LINKS)):
            ours = link.netloc == home and link.path.endswith("/")  # pages, no files
            ours = ours and not link.path.startswith(NOT_FOLLOWED)
            # The same page of another month or with another filter leaves the same behind.
            if ours and link.path not in seen and not link.query:
                seen.add(link.path)
                waiting.append(link.path)
    return found


def test_a_visitor_gets_no_cookie_but_the_forms_one(visit):
    found = walk(visit, "/")

    assert len(found) >= FEWEST
    assert {"/", "/privacy/", "/contact/", "/security/"} <= {path for path, *_ in found}
    for path, has_form, cookies, stored in found:
        assert cookies <= ({"csrf"} if has_form else set()), path
        assert not stored, path


def test_a_member_gets_a_session_and_nothing_else(visit, site):
    company = site.open_company("tracy@acme.example")
    session = {"name": "session", "value": company.session, "url": site.url}

    found = walk(visit, "/app/", [session])

    assert len(found) >= FEWEST
    assert "/account/data/" in {path for path, *_ in found}
    for path, _, cookies, stored in found:
        assert cookies <= {"session", "csrf"}, path
        assert not stored, path
