"""The page about one end user: what is held, all of it as a file, erased, and let in again."""

import csv
import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import AuditEvent, Membership, Role, User
from accounts.services import close_account
from events.ingest import erased_users
from events.reports.end_user import end_user
from events.rollups.fold import fold
from llmcost.tenancy.context import tenant
from privacy import erasure, receipts
from privacy.models import Erasure, RefusedUser
from projects.models import Scope
from projects.services import archive_project, issue_key, open_project
from tests.calls import CALL
from tests.conftest import open_company, sign_in
from tests.privacy.test_erasure import log, post  # noqa: F401 - fixture

PAGE = "/account/data/user/"
CALLS = "/account/data/user/calls/"
READMIT = "/account/data/user/readmission/"
ERASE = "/account/data/erase/"
# Whatever ingest takes as a user id.
STRANGE = [
    '=HYPERLINK("http://evil","x")',
    "x" * 200,
    "\u202egnp.exe",
    "a/b?c#d%e",
    "%2F../export",
    "export",
    "   ",
    "a'; DROP TABLE events_event; --",
    "<b>&amp;",
    "ü\u0301\U0001f600",
]


@pytest.fixture
def firm(acme):
    with tenant(acme.account.pk):
        _, acme.admin_key = issue_key(
            acme.project, name="Admin", scopes=[Scope.ADMIN], by=acme.owner
        )
    return acme


@pytest.fixture
def lasting(committed, log):  # noqa: F811
    """A company whose rows are really there, for an erasure looks at them on a new connection."""
    return open_company("Firm", "owner@firm.example")


def of(company, user_id, **more):
    return {"project": company.project.slug, "user_id": user_id, **more}


def acts(company, action):
    with tenant(company.account.pk):
        found = AuditEvent.objects.filter(account_id=company.account.pk, action=action)
        return list(found.order_by("pk").values("actor", "user_id", "subject", "details"))


def member(company, role):
    user = User.objects.create_user(f"{role}@firm.example", "correct horse battery", name="M")
    with tenant(company.account.pk):
        Membership.objects.create(account=company.account, user=user, role=role)
    return sign_in(user)


# --- What is held ----------------------------------------------------------------------------
@pytest.mark.parametrize("is_folded", [False, True])
def test_it_says_how_many_calls_of_which_models_since_when_and_what_they_cost(firm, is_folded):
    post(
        firm.key,
        {**CALL, "user_id": "u", "cost_usd": "1.25", "created_at": "2026-03-01T10:00:00Z"},
        {**CALL, "user_id": "u", "cost_usd": "0.25", "created_at": "2026-03-01T09:59:59Z"},
        {**CALL, "user_id": "u", "model": "nobody-knows-it", "created_at": "2026-05-02T00:00:00Z"},
        {**CALL, "user_id": "other", "created_at": "2026-01-01T00:00:00Z"},
    )
    if is_folded:
        fold(firm.account.pk)

    with tenant(firm.account.pk):
        held = end_user(firm.account.pk, firm.project.pk, "u")
    page = firm.client.post(PAGE, of(firm, "u"))

    assert (held.calls, str(held.cost_usd.normalize()), held.unpriced_calls) == (3, "1.5", 1)
    assert held.first_at == datetime(2026, 3, 1, 9, 59, 59, tzinfo=UTC)
    assert held.last_at == datetime(2026, 5, 2, tzinfo=UTC)
    assert [(row.group["model"], row.calls) for row in held.models] == [
        (CALL["model"], 2),
        ("nobody-knows-it", 1),
    ]
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    for words in ("1 Mar 2026", "09:59:59 UTC", "2 May 2026", "nobody-knows-it", "no price"):
        assert words in page.content.decode()


@pytest.mark.parametrize(
    ("user_id", "words"),
    [
        ("nobody", "No call of this user id is held."),
        ("   ", "No call of this user id is held."),
        ("=1+1", "No call of this user id is held."),
        ("\u202egnp.exe", "No call of this user id is held."),
        ("x" * 200, "No call of this user id is held."),
        ("x" * 201, "at most 200 characters"),
        ("", "Enter the user id."),
        ("a\0b", "Null characters are not allowed."),
    ],
)
@pytest.mark.parametrize("page", [PAGE, CALLS])
def test_an_id_that_is_not_held_or_none_is_said_to_be_so(firm, page, user_id, words):
    post(firm.key, {**CALL, "user_id": "u"})

    answer = firm.client.post(page, of(firm, user_id))

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert acts(firm, "data.user_exported") == []


@pytest.mark.parametrize("page", [PAGE, CALLS, READMIT])
def test_another_companys_project_is_none_of_the_choices(firm, page):
    other = open_company("Other", "o@other.example")
    with tenant(other.account.pk):
        theirs = open_project(other.account, name="Theirs")
        _, key = issue_key(theirs, name="K", scopes=[Scope.INGEST], by=other.owner)
    post(key, {**CALL, "user_id": "u"})

    foreign = firm.client.post(page, {"project": theirs.slug, "user_id": "u"})
    nobodys = firm.client.post(page, {"project": "no-such-project", "user_id": "u"})

    assert foreign.status_code == nobodys.status_code == 422
    assert "Select a valid choice." in foreign.content.decode()


def test_the_same_id_of_another_company_or_project_is_somebody_else(firm):
    other = open_company("Other", "o@other.example")
    with tenant(firm.account.pk):
        second = open_project(firm.account, name="Second")
    post(other.key, {**CALL, "user_id": "u"})
    post(firm.key, {**CALL, "user_id": "u"})

    assert firm.client.post(PAGE, {"project": second.slug, "user_id": "u"}).status_code == 422
    file = firm.client.post(CALLS, of(firm, "u"))
    assert len(b"".join(file.streaming_content).splitlines()) == 1


def test_what_an_archived_project_holds_is_found_and_erased_too(firm):
    post(firm.key, {**CALL, "user_id": "u"})
    with tenant(firm.account.pk):
        archive_project(firm.project, by=firm.owner)

    assert "(archived)" in firm.client.get(PAGE).content.decode()
    assert firm.client.post(PAGE, of(firm, "u")).status_code == 200
    done = firm.client.post(ERASE, of(firm, "u", mode="delete", confirmation="delete"))
    assert done.status_code == 302


# --- All of it as a file ---------------------------------------------------------------------
@pytest.mark.parametrize("user_id", STRANGE)
def test_page_and_api_hand_out_the_same(firm, api, user_id):
    post(firm.key, *[{**CALL, "user_id": user_id}] * 2, {**CALL, "user_id": "other"})

    lines = firm.client.post(CALLS, of(firm, user_id, format="json"))
    table = firm.client.post(CALLS, of(firm, user_id, format="csv"))
    written = b"".join(lines.streaming_content), b"".join(table.streaming_content)

    assert [json.loads(line)["user_id"] for line in written[0].splitlines()] == [user_id] * 2
    rows = list(csv.DictReader(io.StringIO(written[1].decode(), newline="")))
    shown = f"'{user_id}" if user_id.startswith("=") else user_id
    assert [row["user_id"] for row in rows] == [shown] * 2
    assert set(rows[0]) == set(json.loads(written[0].splitlines()[0]))
    address = f"/v1/users/{quote(user_id, safe='')}/export"
    for form, same in zip(("json", "csv"), written, strict=True):
        answer = api(firm.admin_key, "GET", f"{address}?format={form}")
        assert b"".join(answer.streaming_content) == same
    for answer in (lines, table):
        assert "no-store" in answer["Cache-Control"]
        assert answer["Content-Disposition"].startswith('attachment; filename="end-user-20')
    assert api(firm.admin_key, "DELETE", address.removesuffix("/export")).status_code == 202


@pytest.mark.parametrize("user_id", ["", "/", "nobody", "a%00b", "%E2%80%AE", "%3D1", "x" * 201])
def test_by_the_api_an_id_that_is_not_held_is_not_there(firm, api, user_id):
    post(firm.key, CALL)

    for method, end in (("GET", "/export"), ("DELETE", "")):
        answer = api(firm.admin_key, method, f"/v1/users/{user_id}{end}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"


def test_a_form_of_the_file_that_does_not_exist_is_refused(firm, api):
    post(firm.key, {**CALL, "user_id": "u"})

    assert firm.client.post(CALLS, of(firm, "u", format="xml")).status_code == 422
    answer = api(firm.admin_key, "GET", "/v1/users/u/export?format=xml")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")


def test_who_took_it_stands_in_the_trail_and_the_id_nowhere(firm, api, log_lines):
    post(firm.key, *[{**CALL, "user_id": "CANARY-7"}] * 3)

    firm.client.post(PAGE, of(firm, "CANARY-7"))
    firm.client.post(CALLS, of(firm, "CANARY-7", format="csv"))
    api(firm.admin_key, "GET", "/v1/users/CANARY-7/export")

    reference = receipts.reference("user", firm.account.public_id, firm.project.pk, "CANARY-7")
    assert acts(firm, "data.user_exported") == [
        {
            "actor": actor,
            "user_id": who,
            "subject": reference,
            "details": {"calls": 3, "format": form, "project": firm.project.slug},
        }
        for actor, who, form in (("member", firm.owner.pk, "csv"), ("key", None, "json"))
    ]
    assert "CANARY" not in firm.client.get("/account/audit/").content.decode()
    assert "CANARY" not in log_lines()


# --- Erased, refused, let in again -----------------------------------------------------------
def test_the_id_is_typed_once_from_the_look_to_the_erasure(lasting):
    post(lasting.key, *[{**CALL, "user_id": 'a"b'}] * 3)

    page = lasting.client.post(PAGE, of(lasting, 'a"b')).content.decode()
    assert page.count('<input type="hidden" name="user_id" value="a&quot;b">') == 2
    assert f'action="{ERASE}"' in page
    assert "This takes <strong>3 calls</strong>" in page
    done = lasting.client.post(ERASE, of(lasting, 'a"b', mode="anonymise", confirmation="delete"))

    assert done["Location"] == "/account/data/deletions/"
    page = lasting.client.post(PAGE, of(lasting, 'a"b')).content.decode()
    assert "are being made anonymous" in page
    assert f'action="{ERASE}"' not in page
    erasure.erase_due()
    assert lasting.client.post(PAGE, of(lasting, 'a"b')).status_code == 422


def test_refused_later_calls_are_shown_and_let_in_again_by_id(lasting):
    post(lasting.key, {**CALL, "user_id": "u"}, {**CALL, "user_id": "v"})
    for user_id in ("u", "v"):
        lasting.client.post(
            ERASE, of(lasting, user_id, mode="delete", confirmation="delete", refuse_later="on")
        )
    erasure.erase_due()
    erased_users.forget()
    assert post(lasting.key, {**CALL, "user_id": "u"})["rejected"][0]["code"] == "user_erased"
    page = lasting.client.post(PAGE, of(lasting, "u")).content.decode()
    assert "Later calls of this user id are refused since" in page
    assert f'action="{READMIT}"' in page

    done = lasting.client.post(READMIT, of(lasting, "u"), follow=True)

    assert done.redirect_chain == [(PAGE, 302)]
    assert "taken again" in done.content.decode()
    erased_users.forget()
    assert post(lasting.key, {**CALL, "user_id": "u"})["accepted"] == 1
    assert post(lasting.key, {**CALL, "user_id": "v"})["rejected"][0]["code"] == "user_erased"
    [act] = acts(lasting, "data.user_readmitted")
    assert act["subject"] == receipts.reference(
        "user", lasting.account.public_id, lasting.project.pk, "u"
    )
    again = lasting.client.post(READMIT, of(lasting, "u"))
    assert again.status_code == 422
    assert "are not refused" in again.content.decode()


def test_a_deletion_under_way_does_not_refuse_anew_who_was_let_in(lasting):
    post(lasting.key, {**CALL, "user_id": "u"})
    with tenant(lasting.account.pk):
        asked = erasure.erase_user(lasting.project, "u", refuse_later=True, by=lasting.owner)
        RefusedUser.objects.create(
            account=lasting.account, project_id=lasting.project.pk, user_ref=asked.user_ref
        )

    assert lasting.client.post(READMIT, of(lasting, "u")).status_code == 302
    erasure.erase_due()

    with tenant(lasting.account.pk):
        assert not RefusedUser.objects.filter(account_id=lasting.account.pk).exists()
        assert Erasure.objects.get().state == Erasure.State.DONE


# --- Who may ---------------------------------------------------------------------------------
def test_an_admin_sees_and_takes_but_neither_erases_nor_lets_in(firm):
    post(firm.key, {**CALL, "user_id": "u"})
    with tenant(firm.account.pk):
        reference = receipts.reference("user", firm.account.public_id, firm.project.pk, "u")
        RefusedUser.objects.create(
            account=firm.account, project_id=firm.project.pk, user_ref=reference
        )
    admin = member(firm, Role.ADMIN)

    page = admin.post(PAGE, of(firm, "u")).content.decode()

    assert f'action="{CALLS}"' in page
    assert f'action="{ERASE}"' not in page
    assert f'action="{READMIT}"' not in page
    assert admin.post(CALLS, of(firm, "u")).status_code == 200
    assert admin.post(READMIT, of(firm, "u")).status_code == 403


@pytest.mark.parametrize("role", [Role.MEMBER, Role.BILLING, Role.READ_ONLY])
def test_others_see_nothing_of_it(firm, role):
    client = member(firm, role)

    assert client.get(PAGE).status_code == client.post(CALLS, of(firm, "u")).status_code == 403
    assert PAGE not in client.get("/account/data/").content.decode()


def test_it_wants_the_password_again(firm):
    stale = Client()
    stale.force_login(firm.owner)

    for page in (PAGE, CALLS, READMIT):
        assert stale.post(page, of(firm, "u"))["Location"].startswith("/reauthenticate/")


def test_in_a_closed_account_it_can_be_taken_and_not_be_changed(firm):
    post(firm.key, {**CALL, "user_id": "u"})
    with tenant(firm.account.pk):
        close_account(firm.account.pk, by=firm.owner)

    page = firm.client.post(PAGE, of(firm, "u")).content.decode()

    assert f'action="{CALLS}"' in page
    assert f'action="{ERASE}"' not in page
    assert firm.client.post(CALLS, of(firm, "u")).status_code == 200
    assert firm.client.post(READMIT, of(firm, "u")).status_code == 403


def test_ids_are_not_tried_by_the_thousand(firm, monkeypatch):
    monkeypatch.setattr("llmcost.api.throttle.time", SimpleNamespace(monotonic=lambda: 0.0))

    answers = [firm.client.post(PAGE, of(firm, f"u{number}")) for number in range(6)]

    assert [one.status_code for one in answers] == [422] * 5 + [429]
    assert answers[-1]["Retry-After"] == "1"
