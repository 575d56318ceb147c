"""Every failure is an answer in the form its reader expects, a lost database included."""

import json

import pytest
from django.db import connections
from django.test import Client, override_settings
from django.urls import path

from llmcost import clock
from llmcost.models import Heartbeat
from projects.keys.format import new_key


def explode(request):
    raise RuntimeError(request.GET["what"])


class Exploding:
    """The product's URLs and two that fail."""

    from llmcost import urls as _urls

    urlpatterns = [path("v1/explode", explode), path("explode/", explode), *_urls.urlpatterns]
    handler400, handler403, handler404, handler500 = (
        _urls.handler400,
        _urls.handler403,
        _urls.handler404,
        _urls.handler500,
    )


@pytest.fixture
def visitor():
    return Client(raise_request_exception=False)


@override_settings(ROOT_URLCONF=Exploding)
def test_a_bug_is_answered_with_a_request_id_and_nothing_else(db, visitor, log_lines):
    api, page = visitor.get("/v1/explode?what=CANARY"), visitor.get("/explode/?what=CANARY")

    assert (api.status_code, page.status_code) == (500, 500)
    assert api.json()["error"]["code"] == "internal"
    assert api.json()["error"]["request_id"] == api["X-Request-Id"]
    assert page["Content-Type"].startswith("text/html")
    assert page["X-Request-Id"] in page.content.decode()
    assert "RuntimeError" in log_lines()
    assert api["X-Request-Id"] in log_lines()
    for text in (api.content.decode(), page.content.decode(), log_lines()):
        assert "CANARY" not in text
    assert "Traceback" not in api.content.decode() + page.content.decode()


def test_an_unknown_address_is_answered_in_its_readers_form(db, visitor):
    assert visitor.get("/v1/x").json()["error"]["code"] == "not_found"
    assert visitor.get("/api/x").json()["error"]["code"] == "not_found"
    assert visitor.get("/x").headers["Content-Type"].startswith("text/html")


def test_a_foreign_host_is_refused(db, visitor):
    answer = visitor.get("/v1/usage", headers={"Host": "evil.example"})

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")


@pytest.fixture
def dead_database(django_db_setup, django_db_blocker):
    """A database that takes no connection."""
    settings = connections["default"].settings_dict
    host, settings["HOST"] = settings["HOST"], "/nowhere"
    with django_db_blocker.unblock():
        connections["default"].close()
        yield
        connections["default"].close()
    settings["HOST"] = host


@pytest.mark.parametrize(("method", "address"), [("POST", "/v1/events"), ("GET", "/v1/usage")])
def test_with_a_dead_database_the_api_says_unavailable_and_when_to_retry(
    dead_database, visitor, method, address, log_lines
):
    answer = visitor.generic(
        method,
        address,
        b"[]",
        content_type="application/json",
        headers={"Authorization": f"Bearer {new_key('live')}"},
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert answer["Retry-After"] == "2"


def test_with_a_dead_database_pages_say_so_in_our_design(dead_database, visitor):
    visitor.cookies["session"] = "a" * 32

    answer = visitor.get("/app/")

    assert (answer.status_code, answer["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert visitor.get("/").status_code in (200, 503)


def test_health_tells_the_process_from_the_database(dead_database, visitor):
    assert visitor.get("/healthz").json() == {"status": "ok"}
    assert (
        visitor.get("/readyz").status_code,
        visitor.get("/readyz").json()["checks"]["database"],
    ) == (503, "unreachable")


def test_ready_means_database_migrations_and_a_worker_that_beats(db, visitor):
    silent = visitor.get("/readyz")
    Heartbeat.objects.create(name="worker", at=clock.now())
    ready = visitor.get("/readyz")

    assert (silent.status_code, silent.json()["checks"]["worker"]) == (503, "silent")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_the_schema_names_every_endpoint_and_its_page_needs_nobody_else(db, visitor):
    schema = json.loads(
        visitor.get("/api/schema/?format=json", headers={"Accept": "application/json"}).content
    )
    page = visitor.get("/api/docs/")

    assert {"/v1/events", "/v1/usage"} <= set(schema["paths"])
    event = schema["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]["oneOf"][0]
    assert event["required"] == ["model", "input_tokens", "output_tokens"]
    assert page.status_code == 200
    assert "http://" not in page.content.decode().replace("http://www.w3.org", "")
    assert "https://" not in page.content.decode()


def test_a_log_line_names_the_route_and_not_the_address(db, visitor, log_lines):
    visitor.get("/v1/usage?filter.user_id=CANARY")
    visitor.get("/CANARY")

    assert "/v1/usage" in log_lines()
    assert "CANARY" not in log_lines()
