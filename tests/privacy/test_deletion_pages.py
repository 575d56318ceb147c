"""DELETE /v1/users/{user_id}, its job, and the pages on which an owner deletes."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.test import Client

from accounts.models import Membership, Role, User
from accounts.services import close_account, reopen_account
from events.rollups.fold import fold
from llmcost import clock
from llmcost.models import DueWork
from llmcost.tenancy.context import tenant
from privacy import erasure, purge, receipts, retention
from privacy.models import Erasure, Purge
from projects.models import Scope
from projects.services import issue_key
from tests.calls import CALL
from tests.conftest import open_company, sign_in
from tests.privacy.test_erasure import everything, log, post, usage  # noqa: F401 - fixture
from tests.privacy.test_purge import look


@pytest.fixture
def firm(committed, log):  # noqa: F811
    company = open_company("Firm", "owner@firm.example")
    with tenant(company.account.pk):
        _, company.admin_key = issue_key(
            company.project, name="Admin", scopes=[Scope.ADMIN], by=company.owner
        )
    return company


def test_an_end_user_is_erased_by_api_and_the_receipt_can_be_checked_by_anybody(firm, api):
    post(firm.key, {**CALL, "user_id": "a/b c"}, {**CALL, "user_id": "other"})

    asked = api(firm.admin_key, "DELETE", "/v1/users/a%2Fb%20c")

    assert asked.status_code == 202
    job = asked.json()
    assert (job["status"], job["progress"], job["receipt"]) == ("queued", 0.0, None)
    assert asked["Location"] == f"/v1/jobs/{job['id']}"
    assert erasure.erase_due() == 1
    done = api(firm.admin_key, "GET", asked["Location"]).json()
    assert (done["status"], done["progress"]) == ("done", 1.0)
    receipt = done["receipt"]
    assert receipt["body"]["rows"] == {"events_event": 1}
    key = api(None, "GET", "/v1/receipts/key").json()["public_key"]
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)).verify(
        base64.b64decode(receipt["signature"]), receipt["text"].encode()
    )
    assert [row["user_id"] for row in usage(firm.key, group_by="user_id")] == ["other"]


def test_anonymised_by_api(firm, api):
    post(firm.key, {**CALL, "user_id": "u"})

    assert api(firm.admin_key, "DELETE", "/v1/users/u?mode=anonymise").status_code == 202
    erasure.erase_due()

    [row] = usage(firm.key, group_by="user_id")
    assert row["user_id"].startswith("anon_")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 404, "not_found"),
        ("?mode=forget", 400, "invalid_parameter"),
        ("?refuse_later=yes", 400, "invalid_parameter"),
    ],
)
def test_what_cannot_be_done_is_said(firm, api, query, status, code):
    answer = api(firm.admin_key, "DELETE", f"/v1/users/nobody{query}")

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    "user_id", ["%00", "a%00b", "u" * 201, "%E2%80%AEgnp", "=cmd%7C", "%2e%2e", "a%0Ab", "%25"]
)
def test_an_id_that_no_call_can_have_is_not_held(firm, api, user_id):
    for method, path in [("DELETE", user_id), ("GET", f"{user_id}/export")]:
        answer = api(firm.admin_key, method, f"/v1/users/{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_key_without_the_scope_erases_nothing(firm, api):
    post(firm.key, {**CALL, "user_id": "u"})

    assert api(firm.key, "DELETE", "/v1/users/u").json()["error"]["code"] == "missing_scope"

    with tenant(firm.account.pk):
        assert not Erasure.objects.exists()


def test_a_strangers_job_is_not_there(firm, api):
    other = open_company("Other", "o@other.example")
    with tenant(other.account.pk):
        _, key = issue_key(other.project, name="A", scopes=[Scope.ADMIN], by=other.owner)
    post(firm.key, {**CALL, "user_id": "u"})
    job = api(firm.admin_key, "DELETE", "/v1/users/u").json()["id"]

    foreign = api(key, "GET", f"/v1/jobs/{job}")

    assert foreign.status_code == 404
    assert foreign.json()["error"]["code"] == "not_found"


# --- Pages -----------------------------------------------------------------------------------
ERASE = "/account/data/erase/"
DELETE = "/account/data/delete/"


def test_an_owner_sees_how_much_and_confirms_by_a_word(firm):
    post(firm.key, *[{**CALL, "user_id": "u"}] * 3)
    form = {"project": firm.project.slug, "user_id": "u", "mode": "delete"}

    preview = firm.client.post(ERASE, form)
    assert "3 calls" in preview.content.decode()
    wrong = firm.client.post(ERASE, {**form, "confirmation": "yes"})
    assert wrong.status_code == 422
    assert "Type the word “delete”." in wrong.content.decode()
    assert "3 calls" in wrong.content.decode()
    with tenant(firm.account.pk):
        assert not Erasure.objects.exists()

    done = firm.client.post(ERASE, {**form, "confirmation": "Delete"}, follow=True)

    assert done.redirect_chain == [("/account/data/deletions/", 302)]
    erasure.erase_due()
    page = firm.client.get("/account/data/deletions/").content.decode()
    assert "done and checked" in page
    receipt = firm.client.get("/account/data/deletions/1.json")
    assert json.loads(receipt.content)["body"]["rows"] == {"events_event": 3}
    assert receipt["Content-Disposition"] == 'attachment; filename="receipt-1.json"'


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"user_id": "nobody", "mode": "delete"}, "No call of this user id is held"),
        ({"user_id": "", "mode": "delete"}, "Enter the user id."),
        ({"user_id": "u", "mode": "x"}, "Select a valid choice"),
        ({"user_id": "a\0b", "mode": "delete"}, "Null characters are not allowed."),
    ],
)
def test_a_form_that_cannot_be_done_says_why(firm, form, words):
    answer = firm.client.post(ERASE, {"project": firm.project.slug, **form})

    assert answer.status_code == 422
    assert words in answer.content.decode()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({}, "Choose the first and the last day"),
        ({"first_day": "2026-03-02", "last_day": "2026-03-01"}, "lies before the first"),
        ({"first_day": "2026-03-01", "last_day": "2026-03-01"}, "No call of this project lies in"),
        ({"everything": "on", "confirmation": "delete"}, "This is the only project"),
    ],
)
def test_a_span_that_is_none_says_so(firm, form, words):
    answer = firm.client.post(DELETE, {"project": firm.project.slug, **form})

    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_days_are_those_of_the_projects_time_zone(firm):
    with tenant(firm.account.pk):
        firm.project.timezone = "America/Los_Angeles"
        firm.project.save()
    for at in ("2026-03-01T07:59:59Z", "2026-03-01T08:00:00Z", "2026-03-02T07:59:59Z"):
        post(firm.key, {**CALL, "created_at": at})
    form = {
        "project": firm.project.slug, "first_day": "2026-03-01", "last_day": "2026-03-01",
        "confirmation": "delete",
    }  # fmt: skip

    assert firm.client.post(DELETE, form).status_code == 302
    erasure.erase_due()

    assert [row["calls"] for row in usage(firm.key)] == [1]


def test_deleting_wants_the_password_again(firm):
    stale = Client()
    stale.force_login(firm.owner)

    for page in (ERASE, DELETE):
        assert stale.get(page)["Location"].startswith("/reauthenticate/")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER, Role.BILLING, Role.READ_ONLY])
def test_only_the_owner_deletes(firm, role):
    user = User.objects.create_user("m@firm.example", "correct horse battery", name="M")
    with tenant(firm.account.pk):
        Membership.objects.create(account=firm.account, user=user, role=role)
    client = sign_in(user)

    assert client.get(ERASE).status_code == client.post(DELETE).status_code == 403


def test_a_strangers_receipt_is_not_there(firm):
    post(firm.key, {**CALL, "user_id": "u"})
    with tenant(firm.account.pk):
        asked = erasure.erase_user(firm.project, "u", by=firm.owner)
    erasure.carry_out(asked)
    other = open_company("Other", "o@other.example")

    assert firm.client.get("/account/data/deletions/1.json").status_code == 200
    assert other.client.get("/account/data/deletions/1.json").status_code == 404


def test_a_receipt_has_a_page_for_people(firm):
    post(firm.key, *[{**CALL, "user_id": "u"}] * 2)
    with tenant(firm.account.pk):
        asked = erasure.erase_user(
            firm.project, "u", mode="anonymise", refuse_later=True, by=firm.owner
        )
    erasure.carry_out(asked)
    address = "/account/data/deletions/1/"

    page = firm.client.get(address).content.decode()

    for words in ("2 calls", "made anonymous", "keyed hash of the user id", receipts.public_key()):
        assert words in page
    assert 'href="/account/data/deletions/1.json"' in page
    for other in ("/account/data/", "/account/data/deletions/"):
        assert f'href="{address}"' in firm.client.get(other).content.decode()
    stranger = open_company("Other", "o@other.example")
    assert stranger.client.get(address).status_code == 404


def test_what_is_confirmed_is_what_was_shown(firm):
    post(firm.key, {**CALL, "created_at": "2026-03-01T12:00:00Z"})
    form = {
        "project": firm.project.slug,
        "first_day": "2026-03-01",
        "last_day": "2026-03-02",
    }

    page = firm.client.post(DELETE, form).content.decode()

    assert "1 March 2026" in page
    for name, value in form.items():
        assert f'<input type="hidden" name="{name}" value="{value}"' in page
    assert "<select" not in page


def test_a_closed_account_can_be_deleted_at_once_and_an_open_one_cannot(firm, database_name):
    page = "/account/data/delete-account/"
    assert firm.client.post(page, {"confirmation": "delete"}).status_code == 409
    with tenant(firm.account.pk):
        close_account(firm.account.pk, by=firm.owner)
    assert firm.client.post(page, {"confirmation": "yes"}).status_code == 422

    assert firm.client.post(page, {"confirmation": "delete"}).status_code == 302
    assert look() == 1

    assert "owner@firm.example" not in everything(database_name)


def test_closing_fixes_the_date_and_reopening_clears_it(firm):
    with tenant(firm.account.pk):
        close_account(firm.account.pk, by=firm.owner)
    planned = Purge.objects.get()
    assert planned.account_public_id == firm.account.public_id
    assert planned.due_at - clock.now() > timedelta(days=29, hours=23)

    with tenant(firm.account.pk):
        reopen_account(firm.account.pk, by=firm.owner)

    assert not Purge.objects.exists()
    assert not DueWork.objects.filter(kind=purge.PURGE).exists()


def test_a_project_keeps_its_calls_for_as_long_as_its_owner_says(firm):
    now = clock.now()
    for days in (100, 31, 29, 0):
        post(
            firm.key,
            {**CALL, "created_at": (now - timedelta(days=days)).isoformat(), "user_id": "u"},
        )
    fold(firm.account.pk)
    page = "/account/data/retention/"
    assert firm.client.post(page, {firm.project.slug: "0"}).status_code == 422
    assert retention.delete_old() == 0

    assert firm.client.post(page, {firm.project.slug: "30"}).status_code == 302
    assert retention.delete_old() == 2
    assert retention.delete_old() == 0

    assert [row["calls"] for row in usage(firm.key)] == [2]
    assert [row["calls"] for row in usage(firm.key, group_by="user_id")] == [2]
    assert 'value="30"' in firm.client.get(page).content.decode()
    assert firm.client.post(page, {firm.project.slug: ""}).status_code == 302
    with tenant(firm.account.pk):
        firm.project.refresh_from_db()
        assert firm.project.retention_days is None
