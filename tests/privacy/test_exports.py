"""Taking along: everything in it, for one person, whole or not at all."""

import csv
import hashlib
import io
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from zipfile import ZipFile

import pyarrow.parquet
import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from accounts.models import AuditEvent, Membership, Role, User
from events.rollups.fold import fold
from llmcost import clock, outbox
from llmcost.models import DueWork
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant
from privacy import erasure
from privacy.exports import content, services
from privacy.models import Export
from projects.models import Scope
from projects.services import issue_key
from tests.calls import CALL
from tests.conftest import open_company, sign_in
from tests.privacy.test_erasure import log, post, usage  # noqa: F401 - fixture

PAGE = "/account/data/exports/"
RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"
HOSTILE = '=HYPERLINK("http://evil","x")'


@pytest.fixture
def firm(committed, log, tmp_path, settings):  # noqa: F811
    settings.EXPORT_DIR = tmp_path / "exports"
    return open_company("Firm & Söhne", "owner@firm.example")


def ask(company) -> Export:
    with tenant(company.account.pk):
        return services.ask(company.account.pk, by=company.owner)


def ready(company) -> Export:
    assert services.write(ask(company)) is True
    with tenant(company.account.pk):
        return Export.objects.latest("pk")


def in_own_connection(function, *args):
    """Call it as another worker would: a thread has a connection of its own."""
    try:
        return function(*args)
    finally:
        connection.close()


def waiting_now() -> set[str]:
    """The kinds of work that are due at this moment."""
    return set(DueWork.objects.filter(due_at__lte=clock.now()).values_list("kind", flat=True))


def lines(archive, name):
    return [json.loads(line) for line in archive.read(name).splitlines()]


def test_everything_is_in_it_and_explained(firm):
    post(firm.key, {**CALL, "user_id": HOSTILE, "latency_ms": 12}, {**CALL, "model": "acme-7b"})
    fold(firm.account.pk)

    export = ready(firm)

    with ZipFile(services.path_of(export)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        for file in manifest["files"]:
            assert hashlib.sha256(archive.read(file["name"])).hexdigest() == file["sha256"]
        assert {file["name"] for file in manifest["files"]} | {"manifest.json"} == set(
            archive.namelist()
        )
        calls = lines(archive, "calls/prod/part-00001.json")
        assert {call["user_id"] for call in calls} == {HOSTILE, None}
        table = list(
            csv.DictReader(io.StringIO(archive.read("calls/prod/part-00001.csv").decode()))
        )
        assert {row["user_id"] for row in table} == {f"'{HOSTILE}", ""}
        parquet = pyarrow.parquet.read_table(
            io.BytesIO(archive.read("calls/prod/part-00001.parquet"))
        )
        assert parquet.num_rows == 2
        assert str(parquet.schema.field("cost_usd").type) == "decimal128(20, 10)"
        [member] = lines(archive, "members.json")
        assert member["email"] == "owner@firm.example"
        assert lines(archive, "accounts_auditevent.json")
        readme = archive.read("README.md").decode()
        for source in [*content.sources(), content.rates()]:
            assert f"## {source.name}\nHeld for: {source.purpose}." in readme
            for column, meaning in source.columns.items():
                assert f"- `{column}`: {meaning}" in readme
        for column in content.call_columns():
            assert f"- `{column}`: " in readme


def test_the_readme_says_of_every_column_what_it_is(firm):
    for source in [*content.sources(), content.rates()]:
        meanings = list(source.columns.values())
        assert all(meanings), source.name
        assert len(set(meanings)) == len(meanings), source.name
    calls = content.shown_columns(content.EVENTS)
    assert all(one.meaning for one in calls.values())
    assert len({one.meaning for one in calls.values()}) == len(calls)


def test_json_holds_objects_and_times_as_programs_expect_them(firm):
    post(firm.key, CALL)
    export = ready(firm)

    with ZipFile(services.path_of(export)) as archive:
        trail = lines(archive, "accounts_auditevent.json")
        [created] = [one for one in trail if one["action"] == "key.created"][:1]
        assert created["details"]["project"] == "prod"
        assert re.fullmatch(RFC_3339, created["at"])
        [rate] = lines(archive, "rates.json")
        assert {"count", "price", "tiers", "inside"} == set(rate["units"][0])
        for call in lines(archive, "calls/prod/part-00001.json"):
            assert re.fullmatch(RFC_3339, call["created_at"])


def test_no_secret_is_in_it(firm):
    export = ready(firm)

    with ZipFile(services.path_of(export)) as archive:
        text = b"".join(archive.read(name) for name in archive.namelist()).decode(errors="replace")
    assert firm.key_row.digest not in text
    assert firm.owner.password not in text
    assert firm.key not in text
    assert firm.key_row.hint in text


def test_nobody_elses_rows_are_in_it(firm):
    other = open_company("Other", "CANARY@other.example")
    post(other.key, {**CALL, "user_id": "CANARY-user"})

    export = ready(firm)

    with ZipFile(services.path_of(export)) as archive:
        assert not any(b"CANARY" in archive.read(name) for name in archive.namelist())


def test_it_is_as_of_one_moment(firm, monkeypatch):
    monkeypatch.setattr(services, "PART", 2)
    post(firm.key, *[CALL] * 5)
    asked = ask(firm)
    whole = services._write_part

    def meanwhile(begun, archive):
        post(firm.key, CALL)
        whole(begun, archive)

    monkeypatch.setattr(services, "_write_part", meanwhile)

    assert services.write(asked) is True

    with tenant(firm.account.pk):
        export = Export.objects.get()
    assert (export.events_written, export.progress) == (5, 1.0)


@pytest.mark.parametrize("dies", range(1, 6))
def test_a_killed_worker_is_followed_by_one_that_goes_on(firm, monkeypatch, dies):
    monkeypatch.setattr(services, "PART", 2)
    post(firm.key, *[{**CALL, "user_id": f"u{number}"} for number in range(7)])
    asked = ask(firm)
    whole, turns = services._commit, iter(range(1, 100))

    def die(begun, archive):
        if next(turns) == dies:
            archive.path.write_bytes(archive.path.read_bytes()[:-7])  # and not even whole on disk
            raise KeyboardInterrupt
        whole(begun, archive)

    with monkeypatch.context() as patched:
        patched.setattr(services, "_commit", die)
        with pytest.raises(KeyboardInterrupt):
            services.write(asked)

    assert services.write(asked) is True

    with tenant(firm.account.pk):
        export = Export.objects.get()
    with ZipFile(services.path_of(export)) as archive:
        assert archive.testzip() is None
        users = [
            call["user_id"]
            for name in sorted(archive.namelist())
            if name.startswith("calls/") and name.endswith(".json")
            for call in lines(archive, name)
        ]
    assert sorted(users) == [f"u{number}" for number in range(7)]
    assert export.events_written == 7


def test_two_workers_write_one_file_once(firm, monkeypatch):
    """A second one that comes meanwhile, and one that comes afterwards, change nothing."""
    monkeypatch.setattr(services, "PART", 2)
    post(firm.key, *[{**CALL, "user_id": f"u{number}"} for number in range(5)])
    asked = ask(firm)
    meanwhile = []

    def second_comes():
        with ThreadPoolExecutor(1) as other:
            meanwhile.append(other.submit(in_own_connection, services.write, asked).result())
        return True

    assert services.write(asked, second_comes) is True
    assert services.write(asked) is False

    assert meanwhile
    assert not any(meanwhile)
    with ZipFile(services.path_of(asked)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(set(archive.namelist()))


def test_work_announced_meanwhile_is_not_put_off(firm):
    """Or a second member's export would wait until the first one's lease runs out."""
    asked = ask(firm)
    ends = clock.now() + timedelta(minutes=1)
    turn = due.Turn(services.EXPORT, firm.account.pk, lease=timedelta(minutes=1), ends=ends)
    assert services.EXPORT not in waiting_now()

    due.schedule(services.EXPORT, firm.account.pk, clock.now())
    assert services.write(asked, turn.goes_on) is True
    turn.end(clock.now() + timedelta(hours=1))

    assert services.EXPORT in waiting_now()


def test_a_file_that_no_row_knows_is_deleted(firm):
    """As after a restore of the database to a day before the export."""
    kept = services.path_of(ready(firm))
    stray = kept.with_name("0" * 32 + ".zip")
    stray.write_bytes(b"calls")
    long_ago = (clock.now() - services.KEPT - timedelta(days=2)).timestamp()
    os.utime(stray, (long_ago, long_ago))

    assert services.shred_strays() == 1

    assert kept.exists()
    assert not stray.exists()


def test_it_is_handed_to_the_member_who_asked_and_to_nobody_else(firm):
    post(firm.key, CALL)
    assert firm.client.post(PAGE).status_code == 302
    assert firm.client.post(PAGE).status_code == 302  # asking twice is asking once
    assert services.export_due() == 1
    outbox.send_due()
    assert [message.to for message in mail.outbox] == [["owner@firm.example"]]
    with tenant(firm.account.pk):
        export = Export.objects.get()
    link = f"{PAGE}{export.public_id}.zip"
    assert link in firm.client.get(PAGE).content.decode()

    answer = firm.client.get(link)
    assert answer.status_code == 200
    assert ZipFile(io.BytesIO(b"".join(answer.streaming_content))).testzip() is None
    again = firm.client.get(link)  # a broken download is repeated
    assert len(b"".join(again.streaming_content)) == export.size_bytes

    admin = User.objects.create_user("admin@firm.example", "correct horse battery", name="A")
    with tenant(firm.account.pk):
        Membership.objects.create(account=firm.account, user=admin, role=Role.ADMIN)
    other = open_company("Other", "o@other.example")
    for user in (admin, other.owner):
        assert sign_in(user).get(link).status_code == 404
    assert Client().get(link)["Location"].startswith("/login/")
    stale = Client()
    stale.force_login(firm.owner)
    assert stale.get(link)["Location"].startswith("/reauthenticate/")
    with tenant(firm.account.pk):
        acts = AuditEvent.objects.filter(action="data.export_downloaded")
        assert acts.count() == 2


def test_after_seven_days_it_is_gone(firm):
    export = ready(firm)
    path = services.path_of(export)
    with tenant(firm.account.pk):
        Export.objects.update(expires_at=clock.now() - timedelta(seconds=1))

    assert firm.client.get(f"{PAGE}{export.public_id}.zip").status_code == 404
    assert services.shred_expired(firm.account.pk) == 1

    assert not path.exists()
    with tenant(firm.account.pk):
        assert Export.objects.get().state == "expired"


def test_an_erasure_takes_the_exports_with_it(firm):
    post(firm.key, {**CALL, "user_id": "CANARY"})
    export = ready(firm)
    with tenant(firm.account.pk):
        asked = erasure.erase_user(firm.project, "CANARY", by=firm.owner)

    assert erasure.carry_out(asked) is True

    assert not services.path_of(export).exists()
    assert firm.client.get(f"{PAGE}{export.public_id}.zip").status_code == 404


# --- Persons ---------------------------------------------------------------------------------
def test_a_member_sees_what_is_held_about_them_everywhere(firm):
    other = open_company("Other", "o@other.example")
    with tenant(other.account.pk):
        Membership.objects.create(account=other.account, user=firm.owner, role=Role.READ_ONLY)

    answer = firm.client.get("/account/data/about-me.json")

    held = json.loads(answer.content)
    assert held["person"][0]["email"] == "owner@firm.example"
    assert held["person"][0]["password"] == "(a secret; kept as a hash)"
    assert {(one["company"], one["role"]) for one in held["accounts"]} == {
        ("Firm & Söhne", "owner"), ("Other", "read_only"),
    }  # fmt: skip
    assert firm.owner.password not in answer.content.decode()
    assert "o@other.example" not in answer.content.decode()


def test_an_end_user_is_exported_by_api(firm, api):
    with tenant(firm.account.pk):
        _, key = issue_key(firm.project, name="A", scopes=[Scope.ADMIN], by=firm.owner)
    post(firm.key, *[{**CALL, "user_id": "a/b"}] * 3, {**CALL, "user_id": "other"})

    answer = api(key, "GET", "/v1/users/a%2Fb/export")

    calls = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [call["user_id"] for call in calls] == ["a/b"] * 3
    assert api(key, "GET", "/v1/users/nobody/export").status_code == 404
    assert api(key, "GET", "/v1/users/a%2Fb").status_code == 404
