"""The support admin: what staff find, and what nobody finds there."""

import pytest
from django.test import Client

from accounts.models import User
from tests.events.test_ingest import CALL

PAGES = [
    "/admin/",
    "/admin/accounts/account/",
    "/admin/projects/project/",
    "/admin/projects/apikey/",
]


@pytest.fixture
def staff(db):
    user = User.objects.create_user(
        "sam@support.example", "correct horse battery", name="Sam", is_staff=True
    )
    client = Client()
    client.force_login(user)
    return client


def test_staff_find_accounts_projects_and_key_hints_but_no_event(staff, acme, globex, api):
    api(acme.key, "POST", "/v1/events", {**CALL, "feature": "CANARY", "user_id": "CANARY"})

    pages = [staff.get(page) for page in PAGES]

    assert [page.status_code for page in pages] == [200] * 4
    text = "".join(page.content.decode() for page in pages)
    for expected in ("Acme", "Globex", acme.key_row.hint):
        assert expected in text
    assert "CANARY" not in text
    assert acme.key_row.digest not in text


@pytest.mark.parametrize(
    ("address", "query"),
    [("accounts/account", "Acme"), ("projects/project", "Acme"), ("projects/apikey", "Acme")],
)
def test_staff_search(staff, acme, globex, address, query):
    page = staff.get(f"/admin/{address}/?q={query}").content.decode()

    assert "Globex" not in page
    assert globex.key_row.hint not in page


def test_staff_look_at_one_and_change_nothing(staff, acme):
    for address in (
        f"accounts/account/{acme.account.pk}",
        f"projects/project/{acme.project.pk}",
        f"projects/apikey/{acme.key_row.pk}",
    ):
        page = staff.get(f"/admin/{address}/change/")
        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()
        assert staff.post(f"/admin/{address}/change/", {"name": "x"}).status_code == 404
        assert staff.post(f"/admin/{address}/delete/", {"post": "yes"}).status_code == 404
    assert staff.get("/admin/accounts/account/add/").status_code == 404


def test_no_page_of_the_admin_is_about_events(staff):
    index = staff.get("/admin/").content.decode()

    assert "/admin/events/" not in index
    assert "/admin/accounts/user/" not in index


def test_customers_find_no_admin_and_visitors_are_led_to_sign_in(acme):
    assert acme.client.get("/admin/login/").status_code == 404
    assert acme.client.get("/admin/accounts/account/").status_code in (302, 404)
    assert (
        Client()
        .get("/admin/accounts/account/", follow=True)
        .redirect_chain[-1][0]
        .startswith("/login/?next=/admin/")
    )


def test_staff_who_belong_to_no_account_are_told_so(staff):
    assert staff.get("/app/").status_code == 404
