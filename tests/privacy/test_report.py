"""What a running installation says about our promises."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core.management import call_command

from llmcost import clock
from llmcost.models import Heartbeat
from llmcost.tenancy import due
from privacy.erasure import ERASE
from privacy.models import DailySalt, DataRequest, Thread, VisitorMark
from privacy.policy import publication, subprocessors
from privacy.report import promise, report
from privacy.requests.services import ask_as_member, ask_by_form

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def published(db, time_machine):
    time_machine.move_to(NOON, tick=False)
    publication.publish()


def broken():
    return {(line.promise, line.name) for line in report() if not line.holds}


# --- The report ----------------------------------------------------------------------------------
def test_a_fresh_installation_keeps_its_promises(published, acme, capsys):
    call_command("privacy_report")

    said = capsys.readouterr().out
    assert re.search(r"^holds  13  row security is forced on every table", said, re.MULTILINE)
    assert re.search(r"^(\d+) of \1 hold\.$", said, re.MULTILINE)


def test_before_anything_is_published_it_says_so(db):
    assert broken() == {(17, "every version of our documents is published")}


def late_request(acme, time_machine):
    ask_as_member(acme.owner, kind="objection", text="x")
    time_machine.shift(timedelta(days=30))


def late_child(acme, time_machine):
    ask_by_form(address="a@b.example", name="A", kind="child", text="x")
    time_machine.shift(timedelta(days=4))


def yesterdays_mark(acme, time_machine):
    VisitorMark.objects.create(day=NOON.date() - timedelta(days=1), mark=1)


def yesterdays_secret(acme, time_machine):
    DailySalt.objects.create(day=NOON.date() - timedelta(days=1), salt=b"x")


def old_letter(acme, time_machine):
    ask_by_form(address="a@b.example", name="A", kind="access", text="x")
    DataRequest.objects.update(state="refused", closed_at=NOON)
    Thread.objects.update(last_at=NOON - timedelta(days=740))


def late_deletion(acme, time_machine):
    due.schedule(ERASE, acme.account.pk, NOON - timedelta(hours=4))


def old_backup(acme, time_machine):
    settings.BACKUP_DIR.mkdir(exist_ok=True)
    (settings.BACKUP_DIR / "llmcost-20200101T000000Z.dump").touch()


@pytest.fixture(autouse=True)
def _own_backups(settings, tmp_path):
    settings.BACKUP_DIR = tmp_path / "backups"


@pytest.mark.parametrize(
    ("number", "breaks"),
    [
        (12, late_deletion),
        (12, old_backup),
        (15, late_request),
        (16, late_child),
        (6, yesterdays_mark),
        (6, yesterdays_secret),
        (7, old_letter),
    ],
)
def test_a_broken_promise_is_named_and_ends_with_1(
    published, acme, time_machine, capsys, number, breaks
):
    breaks(acme, time_machine)

    assert [one for one, _ in broken()] == [number]
    with pytest.raises(SystemExit) as ended:
        call_command("privacy_report")
    assert ended.value.code == 1
    assert f"BROKEN {number:>2}" in capsys.readouterr().out


def test_a_processor_without_a_name_is_listed(published, settings, monkeypatch):
    settings.LOCAL_MODE, settings.PUBLIC_URL = False, "https://cost.example.com"
    assert broken() == {(10, "every processor is named")}
    named = [one | {"company": "Somebody"} for one in subprocessors.facts()["processor"]]
    monkeypatch.setitem(subprocessors.facts(), "processor", named)

    # To name somebody is a change of the policy.
    assert broken() == {(17, "the newest policy says what is stored now")}


def test_readyz_shows_it_when_asked_and_fails_when_it_is_broken(
    published, acme, client, time_machine
):
    def ask(path):
        Heartbeat.objects.update_or_create(name="worker", defaults={"at": clock.now()})
        return client.get(path)

    assert ask("/readyz?privacy").status_code == 200
    late_request(acme, time_machine)
    answer = ask("/readyz?privacy")

    assert answer.status_code == 503
    assert answer.json()["checks"]["15: requests are answered in time"] == "broken"
    assert ask("/readyz").status_code == 200
    assert "15: requests are answered in time" not in ask("/readyz").json()["checks"]


def test_a_name_is_given_once():
    @promise(99, "tested")
    def check():
        raise AssertionError

    try:
        with pytest.raises(ValueError, match="has a check with this name"):
            promise(99, "tested")(check)
    finally:
        from privacy.report import _checks

        del _checks[99, "tested"]


# --- security.txt ------------------------------------------------------------------------------
@pytest.mark.parametrize("years", [0, 3])
def test_security_txt_is_well_formed_and_always_ahead(db, client, time_machine, years):
    time_machine.move_to(NOON + timedelta(days=365 * years), tick=False)

    answer = client.get("/.well-known/security.txt")

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    fields = [line.split(": ", 1) for line in answer.content.decode().splitlines()]
    assert [name for name, _ in fields] == [
        "Contact", "Expires", "Preferred-Languages", "Canonical", "Policy",
    ]  # fmt: skip
    expires = datetime.fromisoformat(dict(fields)["Expires"])
    now = NOON + timedelta(days=365 * years)
    assert now + timedelta(days=30) < expires < now + timedelta(days=365)
    assert client.get("/security/").status_code == 200
