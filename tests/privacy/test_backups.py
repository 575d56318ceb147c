"""Backups come back whole, and what was erased after them does not."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from accounts.models import Account, Membership, Role, User
from llmcost import clock
from llmcost.tenancy.context import tenant
from llmcost.up import backups
from privacy import erasure, people, purge, receipts, tombstones
from tests.calls import CALL, stored
from tests.conftest import open_company
from tests.privacy.test_erasure import ask, everything, log, post, usage  # noqa: F401 - fixture
from tests.privacy.test_purge import close, look


@pytest.fixture
def firm(committed, log):  # noqa: F811
    return open_company("Firm", "owner@firm.example")


@pytest.fixture
def folder(tmp_path, settings):
    settings.BACKUP_DIR = tmp_path / "backups"
    return settings.BACKUP_DIR


def back_up() -> None:
    call_command("backup")


def restore(folder) -> None:
    connections.close_all()
    call_command("restore", str(backups.backups(folder)[-1]), "--yes")


def settings_log() -> str:
    return Path(settings.ERASURE_LOG).read_text()


def readiness() -> dict[str, str]:
    return Client().get("/readyz").json()["checks"]


def test_a_backup_is_small_private_proved_and_whole(firm, folder, capsys):
    post(firm.key, *[CALL] * 50)

    back_up()

    said = capsys.readouterr().out
    assert "rows proved" in said
    [path] = backups.backups(folder)
    assert path.stat().st_mode & 0o777 == 0o600
    before = stored(firm)
    post(firm.key, CALL)
    restore(folder)
    assert stored(firm) == before
    assert readiness()["erasures"] == "ok"  # nothing was erased meanwhile


def test_what_was_erased_after_a_backup_does_not_come_back(firm, folder, database_name, capsys):
    gone = open_company("CANARY Ltd", "owner@canary.example")
    post(gone.key, CALL)
    post(firm.key, {**CALL, "user_id": "CANARY-deleted"}, {**CALL, "user_id": "stays"})
    post(firm.key, {**CALL, "user_id": "CANARY-hidden"})
    back_up()
    assert erasure.carry_out(ask(firm, "CANARY-deleted"))
    assert erasure.carry_out(ask(firm, "CANARY-hidden", mode="anonymise"))
    close(gone, days_ago=31)
    assert look() == 1

    restore(folder)

    assert "CANARY" in everything(database_name)
    assert readiness()["erasures"] == "restored: run manage.py after_restore"
    assert Client().get("/readyz").status_code == 503
    call_command("after_restore")
    assert "4 deletions are newer than this database; 3 of them" in capsys.readouterr().out
    assert "CANARY" not in everything(database_name)
    assert "canary.example" not in everything(database_name)
    assert readiness()["erasures"] == "ok"
    names = {row["user_id"] for row in usage(firm.key, group_by="user_id")}
    assert "stays" in names
    assert len(names) == 2
    assert receipts.broken_links() == []


def test_replaying_again_erases_nothing_more(firm, folder, capsys):
    post(firm.key, {**CALL, "user_id": "u"})
    back_up()
    assert erasure.carry_out(ask(firm, "u"))
    restore(folder)
    call_command("after_restore")
    post(firm.key, {**CALL, "user_id": "u"})  # as new: nothing forbids it
    capsys.readouterr()

    call_command("after_restore")

    assert "0 deletions are newer" in capsys.readouterr().out
    assert [row["calls"] for row in usage(firm.key, group_by="user_id")] == [1]


def test_a_replay_that_dies_goes_on(firm, folder, monkeypatch, database_name):
    for user in ("CANARY-1", "CANARY-2"):
        post(firm.key, {**CALL, "user_id": user})
    back_up()
    for user in ("CANARY-1", "CANARY-2"):
        assert erasure.carry_out(ask(firm, user))
    restore(folder)
    whole = erasure.erasure.settle
    with monkeypatch.context() as patched:
        patched.setattr(
            erasure.erasure, "settle", lambda _, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            call_command("after_restore")
    assert tombstones.is_behind()
    assert erasure.erasure.settle is whole

    call_command("after_restore")

    assert not tombstones.is_behind()
    assert "CANARY" not in everything(database_name)


def test_who_was_forgotten_after_a_backup_does_not_come_back(firm, folder, database_name):
    gone = User.objects.create_user("CANARY@example.com", "correct horse battery", name="CANARY")
    with tenant(firm.account.pk):
        Membership.objects.create(account=firm.account, user=gone, role=Role.MEMBER)
    back_up()
    with tenant(firm.account.pk):
        Membership.objects.filter(user=gone).update(role=Role.ADMIN)  # whatever it was later
    people.forget_on_request(gone)
    assert "CANARY" not in settings_log()
    restore(folder)
    assert "CANARY" in everything(database_name)
    assert readiness()["erasures"] == "restored: run manage.py after_restore"

    call_command("after_restore")
    call_command("after_restore")

    assert readiness()["erasures"] == "ok"
    assert "CANARY" not in everything(database_name)
    with tenant(firm.account.pk):
        assert Membership.objects.get(account_id=firm.account.pk).user_id == firm.owner.pk


def test_a_dump_that_is_broken_changes_nothing(firm, folder, tmp_path):
    post(firm.key, CALL)
    broken = tmp_path / "llmcost-20260101T000000Z.dump"
    broken.write_bytes(b"PGDMP" + b"\0" * 100)

    with pytest.raises(CommandError, match="pg_restore failed"):
        call_command("restore", str(broken), "--yes")
    with pytest.raises(CommandError, match="is not there"):
        call_command("restore", str(tmp_path / "nothing.dump"), "--yes")

    assert len(stored(firm)) == 1


def test_backups_older_than_the_policy_says_are_dropped(firm, folder, settings):
    folder.mkdir()
    old = folder / "llmcost-20200101T000000Z.dump"
    old.touch()
    young = folder / clock.now().strftime(backups.NAME)
    young.touch()

    assert backups.drop_old(folder, settings.BACKUP_DAYS) == [old]

    assert backups.backups(folder) == [young]


def test_an_account_purged_again_leaves_a_second_receipt_for_the_same_deletion(firm, folder):
    back_up()
    close(firm, days_ago=31)
    look()
    restore(folder)

    call_command("after_restore")

    with tenant(firm.account.pk):
        assert not Account.objects.exists()
    [receipt] = receipts.receipts_of(firm.account.public_id)
    assert json.loads(receipt.text)["rows"]["accounts_account"] == 1
    with pytest.raises(LookupError):
        purge.purge(firm.account.pk + 1)
