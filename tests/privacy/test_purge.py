"""Thirty days after its end an account is gone, with everything but what the law wants kept."""

import json
from datetime import datetime, timedelta

import psycopg
import pytest
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.db import connection
from django.db.models.functions import Now

from accounts.models import Account, AuditEvent, Membership, Role, StaffAct, User
from accounts.support.grants import record_act
from events.rollups.fold import fold
from llmcost import clock, outbox
from llmcost.models import DueWork
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant
from privacy import erasure, purge, receipts, tombstones, watched_clock
from privacy.models import ClockWatch, Purge, Receipt
from tests import database
from tests.calls import CALL
from tests.conftest import open_company
from tests.privacy.test_erasure import everything, log, post  # noqa: F401 - fixture

DAY = timedelta(days=1)
TIMES = ("requested", "verified", "done", "checked", "made")


@pytest.fixture
def firm(committed, log):  # noqa: F811
    company = open_company("CANARY Ltd", "owner@canary.example")
    post(company.key, {**CALL, "user_id": "CANARY-user", "feature": "CANARY-feature"}, CALL)
    return company


def close(company, *, days_ago: float = 0) -> None:
    """Close the account as its owner does, so many days ago by the database's clock."""
    closed = clock.now() - timedelta(days=days_ago)
    with tenant(company.account.pk):
        Account.objects.filter(pk=company.account.pk).update(
            closed_at=closed, purge_due_at=closed + 30 * DAY
        )
        purge.plan_purge(Account.objects.get(pk=company.account.pk))


def reopen(company) -> None:
    with tenant(company.account.pk):
        Account.objects.filter(pk=company.account.pk).update(closed_at=None, purge_due_at=None)
        purge.cancel_purge(company.account)


def exists(company) -> bool:
    with tenant(company.account.pk):
        return Account.objects.filter(pk=company.account.pk).exists()


def look() -> int:
    """What the scheduled task does, whenever it comes by."""
    DueWork.objects.filter(kind=purge.PURGE).update(due_at=Now())
    return purge.purge_due_accounts()


def test_everything_of_it_is_gone_and_a_receipt_says_so(firm, database_name):
    close(firm, days_ago=31)

    assert look() == 1

    text = everything(database_name)
    assert "CANARY" not in text
    assert "canary.example" not in text
    [receipt] = receipts.receipts_of(firm.account.public_id)
    body = json.loads(receipt.text)
    assert body["rows"]["events_event"] == 2
    assert body["rows"]["accounts_account"] == body["rows"]["accounts_user"] == 1
    assert body["rows"]["accounts_auditevent"] >= 1
    assert receipts.broken_links() == []
    assert Purge.objects.get().account_public_id is None
    assert not DueWork.objects.filter(account_id=firm.account.pk).exists()
    assert tombstones.unapplied() == []


FIELDS = {
    *("number", "kind", "account", "made_at", "previous_sha256"),
    *("asked", "requested_at", "verified_at", "verified_by", "done_at", "checked_at"),
    *("rows", "passed_on", "kept"),
}


def test_both_kinds_of_receipts_say_the_same_things(firm, settings):
    with tenant(firm.account.pk):
        asked = erasure.erase_user(firm.project, "CANARY-user", refuse_later=True, by=firm.owner)
    erasure.carry_out(asked)
    close(firm, days_ago=31)
    look()

    purged, erased = (json.loads(one.text) for one in receipts.receipts_of(firm.account.public_id))
    for body in (erased, purged):
        assert set(body) == FIELDS
        times = [datetime.fromisoformat(body[f"{name}_at"]) for name in TIMES]
        assert times == sorted(times)
        assert body["verified_by"] == receipts.BY_SIGN_IN
        assert all(one["what"] and one["law"] and one["until"] for one in body["kept"])
        [backups] = [one for one in body["kept"] if one["what"] == "backups made before"]
        done = datetime.fromisoformat(body["done_at"])
        assert backups["until"] == str((done + settings.BACKUP_DAYS * DAY).date())
    assert purged["asked"]["scope"] == "account"
    # When it was closed, not when its date had come.
    closed = datetime.fromisoformat(purged["requested_at"])
    assert datetime.fromisoformat(purged["asked"]["due_at"]) - closed == 30 * DAY
    assert erased["asked"]["later_calls_refused"] is True
    assert any("later calls are refused" in one["what"] for one in erased["kept"])


def test_its_providers_logins_go_also_those_of_people_who_stay(firm):
    other = open_company("Other", "other@example.com")
    with tenant(other.account.pk):
        Membership.objects.create(account=other.account, user=firm.owner, role=Role.MEMBER)
    for provider in (f"sso-{firm.account.public_id}", f"sso-{other.account.public_id}", "github"):
        SocialAccount.objects.create(user=firm.owner, provider=provider, uid="4711")
    close(firm, days_ago=31)

    look()

    left = SocialAccount.objects.filter(user=firm.owner).values_list("provider", flat=True)
    assert set(left) == {f"sso-{other.account.public_id}", "github"}
    body = json.loads(receipts.receipts_of(firm.account.public_id)[0].text)
    assert body["rows"]["socialaccount_socialaccount"] == 1


def test_a_login_that_came_back_meanwhile_is_found_by_the_second_look(firm, monkeypatch):
    close(firm, days_ago=31)
    provider = f"sso-{firm.account.public_id}"

    def too_late(account_id: int) -> None:
        SocialAccount.objects.create(user_id=firm.owner.pk, provider=provider, uid="4711")

    delete = purge._delete_the_rest
    monkeypatch.setattr(purge, "_delete_the_rest", lambda one: (delete(one), too_late(one)))

    with pytest.raises(LookupError, match="socialaccount_socialaccount"):
        look()

    monkeypatch.undo()
    assert look() == 1
    assert not SocialAccount.objects.exists()


def test_no_column_of_it_is_left_in_any_table(firm, database_name):
    close(firm, days_ago=31)
    look()

    with psycopg.connect(database.admin_dsn(database_name)) as link:
        tables = link.execute(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND column_name = 'account_id' AND data_type = 'bigint'"
        ).fetchall()
        left = {
            table
            for (table,) in tables
            if link.execute(
                f"SELECT 1 FROM {table} WHERE account_id = %s", [firm.account.pk]
            ).fetchone()
        }
    assert left == {"privacy_purge"}


def test_the_neighbour_keeps_everything(firm, database_name):
    neighbour = open_company("Neighbour", "n@neighbour.example")
    post(neighbour.key, {**CALL, "user_id": "u"})
    with psycopg.connect(database.admin_dsn(database_name)) as link:
        counts = [
            link.execute(
                f"SELECT count(*) FROM {table} WHERE account_id = %s", [neighbour.account.pk]
            ).fetchone()
            for table in ("events_event", "events_delta", "accounts_auditevent", "projects_apikey")
        ]
        close(firm, days_ago=31)

        look()

        assert counts == [
            link.execute(
                f"SELECT count(*) FROM {table} WHERE account_id = %s", [neighbour.account.pk]
            ).fetchone()
            for table in ("events_event", "events_delta", "accounts_auditevent", "projects_apikey")
        ]
    assert exists(neighbour)


def test_a_person_who_belongs_elsewhere_stays(firm):
    other = open_company("Other", "o@other.example")
    with tenant(other.account.pk):
        Membership.objects.create(account=other.account, user=firm.owner, role=Role.MEMBER)
    close(firm, days_ago=31)

    look()

    assert User.objects.get(pk=firm.owner.pk).email == "owner@canary.example"


def test_one_that_our_staff_has_acted_on_goes_too_and_our_own_record_of_it_stays(firm):
    staff = User.objects.create_user("s@us.example", "correct horse battery", is_staff=True)
    with tenant(firm.account.pk):
        record_act(firm.account.pk, "support.looked", by=staff, subject="/app/", reason="asked")
    close(firm, days_ago=31)

    assert look() == 1

    assert not exists(firm)
    assert StaffAct.objects.get().account_id == firm.account.pk


def test_one_that_is_not_due_stays_and_its_owner_is_warned_twice(firm):
    close(firm, days_ago=0)

    for days_left, heard in ((8, 0), (6.5, 1), (0.5, 2)):
        Purge.objects.update(due_at=clock.now() + days_left * DAY)
        for _ in range(2):
            assert look() == 0
            outbox.send_due()
            assert len(mail.outbox) == heard

    assert [message.subject for message in mail.outbox] == [
        "Your account is deleted in 7 days",
        "Your account is deleted in 1 day",
    ]
    assert exists(firm)


def test_coming_back_in_time_clears_it(firm):
    close(firm, days_ago=29)
    reopen(firm)

    assert look() == 0

    assert exists(firm)
    assert not Purge.objects.exists()
    with pytest.raises(LookupError):
        purge.purge(firm.account.pk)


def test_nothing_is_purged_before_its_time_whoever_asks(firm):
    close(firm, days_ago=29.9)

    with pytest.raises(LookupError):
        purge.purge(firm.account.pk)

    assert exists(firm)


def test_the_database_itself_refuses_to_delete_a_trail_before_its_time(firm):
    close(firm, days_ago=29.9)

    with (
        tenant(firm.account.pk),
        connection.cursor() as cursor,
        pytest.raises(Exception, match="no purge is due"),
    ):
        cursor.execute("SELECT llmcost_purge_kept_trail('accounts_auditevent')")

    with tenant(firm.account.pk):
        assert AuditEvent.objects.exists()


@pytest.mark.parametrize("jump", [-2 * timedelta(hours=1), 40 * DAY])
def test_a_clock_that_has_jumped_purges_nothing(firm, jump):
    close(firm, days_ago=31)
    ClockWatch.objects.create(pk=1, seen_at=clock.now() - jump, steady_since=clock.now() - 90 * DAY)

    for _ in range(2):
        with pytest.raises(watched_clock.ClockHasJumped):
            look()
    assert exists(firm)

    # After an hour of even running it is believed.
    ClockWatch.objects.update(steady_since=clock.now() - watched_clock.PROBATION)
    assert look() == 1


def test_a_worker_whose_clock_is_wrong_purges_nothing(firm, time_machine):
    close(firm, days_ago=31)
    time_machine.move_to(clock.now() + 400 * DAY)

    with pytest.raises(watched_clock.ClockHasJumped):
        look()

    assert exists(firm)


STEPS = ["_part_with_people", "_empty", "_delete_the_rest", "_left", "_finish"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_goes_on_and_counts_right(firm, step, monkeypatch, database_name):
    close(firm, days_ago=31)
    whole = getattr(purge, step)

    def die(*arguments, **named):
        if step == "_empty":
            whole(*arguments, **named)  # one table is empty, then the worker dies
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(purge, step, die)
        with pytest.raises(KeyboardInterrupt):
            look()

    assert look() == 1
    assert look() == 0
    body = json.loads(Receipt.objects.get().text)
    assert body["rows"]["events_event"] == 2
    assert body["rows"]["accounts_user"] == body["rows"]["accounts_account"] == 1
    assert "CANARY" not in everything(database_name)


def test_in_many_short_turns_it_deletes_the_same_and_counts_right(firm, monkeypatch, database_name):
    post(firm.key, *[{**CALL, "user_id": f"CANARY-{number}"} for number in range(7)])
    fold(firm.account.pk)
    close(firm, days_ago=31)
    monkeypatch.setattr(purge, "BATCH", 2)

    turns = 1
    while not purge.purge(firm.account.pk, goes_on=lambda: False):
        turns += 1

    assert turns > 9 / 2
    body = json.loads(Receipt.objects.get().text)
    assert body["rows"]["events_event"] == 9
    assert "CANARY" not in everything(database_name)


def test_dead_workers_for_a_week_only_delay_it(firm):
    close(firm, days_ago=38)
    week_ago = clock.now() - 7 * DAY
    ClockWatch.objects.create(pk=1, seen_at=week_ago, steady_since=week_ago - 90 * DAY)

    with pytest.raises(watched_clock.ClockHasJumped):  # a leap, or a week's sleep: it cannot tell
        look()
    ClockWatch.objects.update(steady_since=clock.now() - watched_clock.PROBATION)

    assert look() == 1


def test_what_is_due_first_comes_first(firm):
    close(firm, days_ago=31)

    assert due.accounts_due(purge.PURGE, clock.now()) == [firm.account.pk]
