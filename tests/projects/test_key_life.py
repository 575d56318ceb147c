"""A key's life on its page and in the API: made, rotated, ended, revoked, closed with its account."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connections

from accounts.models import Account, AuditEvent, Membership, Role, User
from llmcost import clock
from llmcost.tenancy.context import tenant
from projects import services
from projects.keys import resolve
from projects.models import ApiKey, Project, Scope
from tests.calls import CALL
from tests.conftest import open_company

PAGE = "/app/prod/keys/"
SECRET = re.compile(r'<code id="secret"[^>]*>(llmc_\w+)</code>')
NEW = {"name": "Worker", "note": "eu-west", "scopes": ["ingest"], "kind": "live", "last_day": ""}


@pytest.fixture
def at():
    """Hold every clock; `at(hours=1)` lets time pass."""
    began = clock.now().replace(microsecond=0)
    passed = SimpleNamespace(seconds=0.0)
    with pytest.MonkeyPatch.context() as patch, time_machine.travel(began, tick=False) as held:
        patch.setattr(resolve, "time", SimpleNamespace(monotonic=lambda: passed.seconds))

        def later(**span):
            held.shift(timedelta(**span))
            passed.seconds += timedelta(**span).total_seconds()

        yield later


def keys(company):
    with tenant(company.account.pk):
        return list(ApiKey.objects.filter(account_id=company.account.pk).order_by("pk"))


def trail(company):
    with tenant(company.account.pk):
        events = AuditEvent.objects.filter(account_id=company.account.pk, action__startswith="key.")
        return [(one.action, one.subject, one.user_id) for one in events.order_by("pk")]


def as_member(company, role):
    """A client signed in as somebody else of this company."""
    from django.test import Client

    user = User.objects.create_user(f"{role}@acme.example", "correct horse battery", name="Bob")
    with tenant(company.account.pk):
        Membership.objects.create(account=company.account, user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


def rotate(company, key, overlap=timedelta(hours=24), client=None):
    seconds = str(int(overlap.total_seconds()))
    return (client or company.client).post(f"{PAGE}{key.pk}/rotation/", {"overlap": seconds})


def status(api, key):
    return api(key, "POST", "/v1/events", CALL).status_code


# --- Made ------------------------------------------------------------------------------------
def test_a_key_is_made_with_note_scopes_and_last_day(acme, api, at):
    day = clock.now().date() + timedelta(days=3)

    answer = acme.client.post(PAGE, NEW | {"scopes": ["ingest", "read"], "last_day": f"{day}"})

    assert answer.status_code == 201
    [secret] = SECRET.findall(answer.content.decode())
    made = keys(acme)[-1]
    assert (made.name, made.note, made.scopes) == ("Worker", "eu-west", ["ingest", "read"])
    assert made.expires_at == datetime.combine(
        day + timedelta(days=1), datetime.min.time(), tzinfo=UTC
    )
    assert made.created_by_id == acme.owner.pk
    assert trail(acme)[-1] == ("key.created", made.hint, acme.owner.pk)
    assert status(api, secret) == 200
    page = acme.client.get(PAGE).content.decode()
    assert secret not in page
    assert "eu-west" in page
    assert acme.owner.name in page


def test_the_last_day_is_a_day_of_the_project(acme):
    with tenant(acme.account.pk):
        Project.objects.filter(account_id=acme.account.pk).update(timezone="Pacific/Auckland")

    acme.client.post(PAGE, NEW | {"last_day": "2028-01-31"})

    assert keys(acme)[-1].expires_at == datetime(2028, 2, 1, tzinfo=ZoneInfo("Pacific/Auckland"))


YESTERDAY = datetime.now(UTC).date() - timedelta(days=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\x00b"},
        {"note": "x" * 201},
        {"scopes": []},
        {"scopes": ["root"]},
        {"kind": "prod"},
        {"last_day": str(YESTERDAY)},
        {"last_day": "0001-01-01"},
        {"last_day": "9999-12-31"},
        {"last_day": "tomorrow"},
        {"last_day": "2027-02-30"},
    ],
    ids=str,
)
def test_a_form_that_is_wrong_comes_back_and_makes_nothing(acme, wrong):
    answer = acme.client.post(PAGE, NEW | wrong)

    assert answer.status_code == 422
    assert "field__error" in answer.content.decode()
    assert len(keys(acme)) == 1


def test_a_project_has_a_bounded_number_of_keys(acme, monkeypatch):
    monkeypatch.setattr(services, "MOST_LIVE_KEYS", 3)
    for _ in range(2):
        assert acme.client.post(PAGE, NEW).status_code == 201

    answer = acme.client.post(PAGE, NEW)

    assert answer.status_code == 422
    assert "at most 3 keys" in answer.content.decode()
    assert rotate(acme, acme.key_row).status_code == 302
    assert keys(acme)[0].rotated_at is None
    acme.client.post(f"{PAGE}{acme.key_row.pk}/revocation/")
    assert acme.client.post(PAGE, NEW).status_code == 201


# --- Who may ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("role", "may_admin"), [(Role.OWNER, True), (Role.ADMIN, False), (Role.MEMBER, False)]
)
def test_a_key_never_may_what_its_maker_may_not(acme, role, may_admin):
    client = acme.client if role == Role.OWNER else as_member(acme, role)

    answer = client.post(PAGE, NEW | {"scopes": ["admin"]})

    assert answer.status_code == (201 if may_admin else 422)
    assert ('value="admin"' in client.get(PAGE).content.decode()) == may_admin


def test_who_may_not_make_an_admin_key_may_not_rotate_one_but_may_revoke_it(acme):
    with tenant(acme.account.pk):
        admin, _ = services.issue_key(acme.project, name="a", scopes=[Scope.ADMIN], by=acme.owner)
    member = as_member(acme, Role.MEMBER)

    assert rotate(acme, admin, client=member).status_code == 403
    assert len(keys(acme)) == 2
    assert member.post(f"{PAGE}{admin.pk}/revocation/").status_code == 302
    assert keys(acme)[-1].revoked_at is not None


@pytest.mark.parametrize("role", [Role.BILLING, Role.READ_ONLY])
def test_others_see_and_change_no_keys(acme, role):
    client = as_member(acme, role)

    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, NEW).status_code == 403
    assert rotate(acme, acme.key_row, client=client).status_code == 403
    assert client.post("/app/prod/start/key/").status_code == 403
    assert client.post(f"{PAGE}{acme.key_row.pk}/revocation/").status_code == 403
    assert [key.revoked_at for key in keys(acme)] == [None]


def test_who_may_only_look_is_not_offered_a_first_key(acme):
    with tenant(acme.account.pk):
        ApiKey.objects.filter(account_id=acme.account.pk).delete()
    client = as_member(acme, Role.READ_ONLY)

    page = client.get("/app/prod/start/").content.decode()

    assert "Ask an admin of Acme" in page
    assert "Show my key" not in page
    assert client.post("/app/prod/start/key/").status_code == 403
    assert keys(acme) == []


def test_a_strangers_key_is_not_there(acme, globex):
    for act in ("rotation", "revocation"):
        answer = globex.client.post(f"{PAGE}{acme.key_row.pk}/{act}/", {"overlap": "0"})
        assert answer.status_code == 404

    assert [(key.rotated_at, key.revoked_at) for key in keys(acme)] == [(None, None)]


# --- Rotated ---------------------------------------------------------------------------------
def test_both_keys_work_during_the_overlap_and_the_new_one_afterwards(acme, api, at):
    answer = rotate(acme, acme.key_row)

    assert answer.status_code == 201
    [new] = SECRET.findall(answer.content.decode())
    old_row, new_row = keys(acme)
    assert (new_row.name, new_row.scopes) == (old_row.name, old_row.scopes)
    assert new_row.expires_at is None
    ends = f"{clock.now() + timedelta(hours=24):%Y-%m-%dT%H:%M:%SZ}"
    with_old, with_new = (api(key, "POST", "/v1/events", CALL) for key in (acme.key, new))
    assert (with_old.status_code, with_old["X-LLMC-Key-Expires"]) == (200, ends)
    assert (with_new.status_code, "X-LLMC-Key-Expires" in with_new) == (200, False)
    page = acme.client.get(PAGE).content.decode()
    assert f"<code>{old_row.hint}</code>" in page
    assert "was replaced and stops on" in page
    assert trail(acme)[-1] == ("key.rotated", old_row.hint, acme.owner.pk)

    at(hours=24, seconds=-1)
    assert (status(api, acme.key), status(api, new)) == (200, 200)
    at(seconds=1)
    assert (status(api, acme.key), status(api, new)) == (401, 200)
    assert "was replaced" not in acme.client.get(PAGE).content.decode()


def test_the_header_stands_on_refusals_too(acme, api):
    with tenant(acme.account.pk):
        services.rotate_key(acme.key_row, overlap=timedelta(hours=1), by=acme.owner)

    assert "X-LLMC-Key-Expires" in api(acme.key, "POST", "/v1/events", "no json")
    assert "X-LLMC-Key-Expires" not in api(None, "POST", "/v1/events", CALL)


@pytest.mark.parametrize("overlap", services.OVERLAPS, ids=str)
def test_each_overlap_ends_when_it_says(acme, api, at, overlap):
    rotate(acme, acme.key_row, overlap)

    assert keys(acme)[0].expires_at == clock.now() + overlap
    assert status(api, acme.key) == (200 if overlap else 401)


@pytest.mark.parametrize("overlap", ["", "1", "-3600", "999999", "x", "\x00"])
def test_an_overlap_that_is_not_offered_changes_nothing(acme, overlap):
    answer = acme.client.post(f"{PAGE}{acme.key_row.pk}/rotation/", {"overlap": overlap})

    assert answer.status_code == 422
    assert [key.rotated_at for key in keys(acme)] == [None]


def test_a_rotation_sent_twice_makes_one_key(acme):
    assert rotate(acme, acme.key_row).status_code == 201

    again = rotate(acme, acme.key_row)

    assert again.status_code == 302
    assert len(keys(acme)) == 2
    assert "Make a new one instead" in acme.client.get(PAGE).content.decode()


def test_rotation_never_prolongs_a_key_and_its_chosen_end_goes_on(acme, at):
    chosen = clock.now() + timedelta(hours=2)
    with tenant(acme.account.pk):
        short, _ = services.issue_key(
            acme.project, name="s", scopes=[Scope.INGEST], by=acme.owner, expires_at=chosen
        )

    rotate(acme, short, timedelta(days=7))

    *_, old, new = keys(acme)
    assert (old.expires_at, new.expires_at) == (chosen, chosen)


# --- Ended -----------------------------------------------------------------------------------
def test_an_end_is_kept_to_the_moment_by_a_process_that_remembers_the_key(acme, api, at):
    with tenant(acme.account.pk):
        _, key = services.issue_key(
            acme.project,
            name="s",
            scopes=[Scope.INGEST],
            by=None,
            expires_at=clock.now() + timedelta(seconds=2),
        )
    assert status(api, key) == 200
    at(seconds=1)
    assert status(api, key) == 200
    at(seconds=1)

    assert status(api, key) == 401


def test_a_key_that_reached_its_end_is_closed_and_in_the_trail_once(acme, at):
    rotate(acme, acme.key_row, timedelta(hours=1))
    assert services.close_expired_keys() == 0
    at(hours=1)

    assert [services.close_expired_keys() for _ in range(3)] == [1, 0, 0]

    old = keys(acme)[0]
    assert old.revoked_at == old.expires_at
    assert trail(acme)[-1] == ("key.expired", old.hint, None)
    assert "expired" in acme.client.get(PAGE).content.decode()


def test_a_later_end_is_not_forgotten_over_an_earlier_one(acme, at):
    for hours in (1, 72):
        with tenant(acme.account.pk):
            services.issue_key(
                acme.project,
                name=str(hours),
                scopes=[Scope.INGEST],
                by=None,
                expires_at=clock.now() + timedelta(hours=hours),
            )
    at(hours=2)
    assert services.close_expired_keys() == 1
    at(hours=80)

    assert services.close_expired_keys() == 1


def test_a_revoked_key_does_not_expire_a_second_time(acme, at):
    rotate(acme, acme.key_row, timedelta(hours=1))
    acme.client.post(f"{PAGE}{acme.key_row.pk}/revocation/")
    at(hours=2)

    assert services.close_expired_keys() == 0
    assert [action for action, *_ in trail(acme)][-1] == "key.revoked"
    assert "revoked" in acme.client.get(PAGE).content.decode()


# --- Closed with its account -----------------------------------------------------------------
def close(company, at):
    with tenant(company.account.pk):
        Account.objects.filter(pk=company.account.pk).update(
            closed_at=at, purge_due_at=at and at + timedelta(days=30)
        )


def test_keys_of_a_closed_account_are_told_so_and_work_again_when_it_is_reopened(acme, api, at):
    assert status(api, acme.key) == 200
    close(acme, clock.now())
    at(seconds=5)

    refused = api(acme.key, "POST", "/v1/events", CALL)

    assert (refused.status_code, refused.json()["error"]["code"]) == (410, "account_terminated")
    assert api(acme.key, "GET", "/v1/usage").status_code == 410
    close(acme, None)
    assert status(api, acme.key) == 200


def test_a_revoked_key_of_a_closed_account_is_refused_like_any(acme, api):
    with tenant(acme.account.pk):
        services.revoke_key(acme.key_row, by=acme.owner)
    close(acme, clock.now())

    assert status(api, acme.key) == 401


def test_two_rotations_at_once_make_one_key(committed):
    import threading

    company = open_company("Acme", "alice@acme.example")
    together, outcomes = threading.Barrier(4), []

    def run():
        together.wait()
        try:
            with tenant(company.account.pk):
                key = ApiKey.objects.select_related("project").get(pk=company.key_row.pk)
                services.rotate_key(key, overlap=timedelta(hours=1), by=None)
            outcomes.append("made")
        except services.KeyIsOver:
            outcomes.append("over")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["made", "over", "over", "over"]
    assert len(keys(company)) == 2
