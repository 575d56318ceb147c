"""Several projects an account: their addresses, names, time zones, and the archive."""

import re
from threading import Barrier, Thread

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import AuditEvent, Role
from llmcost.tenancy.context import tenant
from projects import services
from projects.keys import resolve
from projects.models import Project
from tests.accounts.people import add
from tests.calls import CALL
from tests.conftest import open_company


def create(company, name, timezone="UTC"):
    return company.client.post("/account/projects/opening/", {"name": name, "timezone": timezone})


def projects_of(company):
    with tenant(company.account.pk):
        return {one.slug: one for one in Project.objects.filter(account_id=company.account.pk)}


def trail(company):
    with tenant(company.account.pk):
        found = AuditEvent.objects.filter(action__startswith="project.").order_by("pk")
        return [(one.action, one.subject, one.details) for one in found]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Staging", "staging"),
        ("Prod", "prod-2"),
        ("Café Größe", "cafe-groe"),
        ("数据", "project"),
        ("🚀", "project"),
        ("--", "project"),
        ("a/../b", "ab"),
        ("x" * 100, "x" * 50),
    ],
)
def test_a_projects_address_is_made_from_its_name(acme, name, slug):
    answer = create(acme, name)

    assert (answer.status_code, answer["Location"]) == (302, f"/app/{slug}/start/")
    assert projects_of(acme)[slug].name == name
    assert acme.client.get(f"/app/{slug}/settings/").status_code == 200


def test_equal_names_get_addresses_of_their_own_in_order(acme, globex):
    for _ in range(3):
        create(acme, "数据")
    create(globex, "数据")

    assert set(projects_of(acme)) == {"prod", "project", "project-2", "project-3"}
    assert set(projects_of(globex)) == {"prod", "project"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.text(max_size=100), max_size=8))
def test_every_name_has_an_address_that_a_url_takes_and_nobody_else_has(names):
    taken = set()
    for name in names:
        slug = services._free_slug(name, taken)
        assert re.fullmatch(r"[-a-zA-Z0-9_]{1,60}", slug)
        assert slug not in taken
        taken.add(slug)


def test_many_at_once_get_different_addresses(committed):
    acme = open_company("Acme", "alice@acme.example")
    gate = Barrier(4)

    def open_one():
        try:
            gate.wait()
            with tenant(acme.account.pk):
                services.open_project(acme.account, name="Same", by=acme.owner)
        finally:
            connections.close_all()

    threads = [Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(projects_of(acme)) == {"prod", "same", "same-2", "same-3", "same-4"}


@pytest.mark.parametrize(
    ("name", "timezone", "words"),
    [
        ("", "UTC", "Give it a name."),
        (" ", "UTC", "Give it a name."),
        ("x" * 101, "UTC", "at most 100"),
        ("a\x00b", "UTC", "Null characters"),
        ("Fine", "Mars/Olympus", "not one of the available choices"),
        ("Fine", "posixrules", "not one of the available choices"),
        ("Fine", "", "This field is required."),
    ],
)
def test_a_wrong_project_is_refused_beside_the_field(acme, name, timezone, words):
    for path in ("/account/projects/opening/", "/app/prod/settings/"):
        answer = acme.client.post(path, {"name": name, "timezone": timezone})
        assert answer.status_code == 422
        assert words in answer.content.decode()
    assert set(projects_of(acme)) == {"prod"}
    assert projects_of(acme)["prod"].name == "prod"


def test_an_account_has_a_bounded_number_of_projects(acme, monkeypatch):
    monkeypatch.setattr(services, "MOST_PROJECTS", 2)
    create(acme, "Second")

    answer = create(acme, "Third")

    assert answer.status_code == 422
    assert "at most 2 projects" in answer.content.decode()


def test_name_and_zone_change_and_the_address_stays(acme):
    answer = acme.client.post(
        "/app/prod/settings/", {"name": "Production", "timezone": "Asia/Kathmandu"}
    )

    assert answer["Location"] == "/app/prod/settings/"
    project = projects_of(acme)["prod"]
    assert (project.name, project.timezone) == ("Production", "Asia/Kathmandu")
    assert "Asia/Kathmandu" in acme.client.get("/app/prod/?range=7d").content.decode()
    acme.client.post("/app/prod/settings/", {"name": "Production", "timezone": "Asia/Kathmandu"})
    assert trail(acme) == [
        ("project.renamed", "prod", {}),
        ("project.timezone_changed", "prod", {"before": "UTC", "timezone": "Asia/Kathmandu"}),
    ]


def test_the_side_bar_switches_between_those_in_use(acme):
    create(acme, "Staging")
    create(acme, "Old")
    acme.client.post("/app/old/settings/archiving/")

    page = acme.client.get("/app/staging/keys/").content.decode()
    bar = page[page.index('id="projects"') : page.index("</nav>", page.index('id="projects"'))]

    assert re.findall(r'href="/app/([^"/]+)/"', bar) == ["staging", "prod"][::-1]
    every = acme.client.get("/account/projects/").content.decode()
    assert "archived" in every
    assert "/app/old/" in every


# --- The archive -----------------------------------------------------------------------------
def test_an_archived_project_takes_nothing_in_and_can_be_read(acme, api):
    assert api(acme.key, "POST", "/v1/events", CALL).status_code == 200

    acme.client.post("/app/prod/settings/archiving/")
    resolve.forget()

    refused = api(acme.key, "POST", "/v1/events", CALL)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "project_archived")
    assert api(acme.key, "GET", "/v1/usage").json()["data"][0]["calls"] == 1
    page = acme.client.get("/app/prod/?range=30d").content.decode()
    assert "This project is archived" in page
    assert "gpt-" in page or CALL["model"] in page


def test_a_project_comes_back_with_its_keys(acme, api):
    acme.client.post("/app/prod/settings/archiving/")
    acme.client.post("/app/prod/settings/restoring/")
    resolve.forget()

    assert api(acme.key, "POST", "/v1/events", CALL).status_code == 200
    assert [action for action, *_ in trail(acme)] == ["project.archived", "project.restored"]


def test_archived_twice_is_archived_once(acme):
    acme.client.post("/app/prod/settings/archiving/")
    at = projects_of(acme)["prod"].archived_at

    page = acme.client.post("/app/prod/settings/archiving/", follow=True).content.decode()

    assert "was archived already" in page
    assert projects_of(acme)["prod"].archived_at == at
    acme.client.post("/app/prod/settings/restoring/")
    page = acme.client.post("/app/prod/settings/restoring/", follow=True).content.decode()
    assert "is not archived" in page
    assert len(trail(acme)) == 2


def test_the_app_opens_with_a_project_in_use(acme):
    create(acme, "Staging")
    acme.client.post("/app/prod/settings/archiving/")

    assert acme.client.get("/app/")["Location"] == "/app/staging/start/"
    acme.client.post("/app/staging/settings/archiving/")
    assert acme.client.get("/app/", follow=True).status_code == 200


def test_who_may_only_read_sees_no_settings(acme):
    _, reader = add(acme, "bob@acme.example", Role.READ_ONLY)

    assert "Settings" not in reader.get("/app/prod/start/").content.decode()
    listed = reader.get("/account/projects/").content.decode()
    assert "New project" not in listed
    assert "/settings/" not in listed
