"""Workers that were dead for a week, and clocks that are wrong: late is not twice, and not too soon.

The worker is a process of its own that runs every task of the schedule (tests/faults/forks.py).
"""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import User
from llmcost import clock
from llmcost.models import DueWork, Heartbeat, OutgoingMail
from llmcost.tenancy.context import tenant
from privacy import erasure, receipts
from privacy.correspondence import services as letters
from privacy.exports import services as exports
from privacy.models import ClockWatch, DataRequest, Erasure, Export, Publication, Purge
from privacy.policy import publication, versions
from privacy.requests.services import DUE, ask_as_member
from privacy.retention import set_retention
from projects.keys import resolve
from projects.models import ApiKey
from tests.conftest import open_company
from tests.faults.full_account import MARK
from tests.faults.scene import assert_nothing_else_has_changed, sums
from tests.privacy.test_erasure import usage
from tests.privacy.test_purge import close, exists

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]

DAY = timedelta(days=1)
EXPORTS = "/account/data/exports/"


@pytest.fixture
def staff():
    return User.objects.create_user("staff@us.example", "correct horse battery", is_staff=True)


@pytest.fixture
def leaving(scene):
    """A company whose purge has been due for three days; and one whose is due in twelve hours."""
    gone = open_company("gone", "owner@gone.example")
    soon = open_company("soon", "owner@soon.example")
    close(gone, days_ago=33)
    close(soon, days_ago=29.5)
    return gone, soon


def ready_export(company, *, expired_for: timedelta) -> Export:
    with tenant(company.account.pk):
        exports.ask(company.account.pk, by=company.owner)
    assert exports.export_due() == 1
    with tenant(company.account.pk):
        Export.objects.update(expires_at=clock.now() - expired_for)
        return Export.objects.get()


def pretend_that_nobody_worked_for_a_week() -> None:
    """Leave what a worker has written last, and the wake-ups that it has missed, eight days back."""
    long_ago = clock.now() - 8 * DAY
    DueWork.objects.update(due_at=long_ago)
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": long_ago})
    ClockWatch.objects.update_or_create(
        pk=1, defaults={"seen_at": long_ago, "steady_since": long_ago - 90 * DAY}
    )


def test_workers_that_were_dead_for_a_week_catch_up_with_everything_once(
    scene, leaving, staff, forks
):
    firm, (gone, soon) = scene.firm, leaving
    export = ready_export(firm, expired_for=DAY)
    with tenant(firm.account.pk):
        asked = erasure.erase_user(firm.project, MARK, by=firm.owner)
        set_retention(firm.project, 3000, by=firm.owner)
    with tenant(scene.neighbour.account.pk):
        set_retention(scene.neighbour.project, 30, by=scene.neighbour.owner)
    ask_as_member(firm.owner, kind="objection", text="x")
    DataRequest.objects.update(
        due_at=clock.now() + 2 * DAY, received_at=clock.now() - DUE + 2 * DAY
    )
    publication.publish()
    Publication.objects.filter(kind="privacy", version=versions("privacy")[0].version).update(
        effective=(clock.now() + 9 * DAY).date(),
        is_announced=True,
        published_at=clock.now() - 8 * DAY,
    )
    User.objects.update(joined_at=clock.now() - 60 * DAY)
    pretend_that_nobody_worked_for_a_week()

    # Meanwhile the installation says so, and what has expired is not handed out.
    checks = Client().get("/readyz?privacy").json()["checks"]
    assert checks["worker"] == "silent"
    assert {name for name, state in checks.items() if state == "broken"} >= {
        "12: closed accounts are purged in time",
        "12: deletions are worked off",
        "17: every owner is told of what is to change",
    }
    assert firm.client.get(f"{EXPORTS}{export.public_id}.zip").status_code == 404

    # Two workers come back at once, and go round twice.
    for _ in range(2):
        both = [forks.start("all"), forks.start("all")]
        assert all(one.came_to_its_end(within=90) for one in both)
        DueWork.objects.update(due_at=clock.now())
    # A week without a look could be a clock that was set: that is waited for, and told.
    assert exists(gone)
    assert "nobody looked" in Client().get("/readyz").json()["warnings"]["clock"]
    ClockWatch.objects.update(steady_since=clock.now() - timedelta(hours=2))
    for _ in range(2):
        both = [forks.start("all"), forks.start("all")]
        assert all(one.came_to_its_end(within=90) for one in both)
        DueWork.objects.update(due_at=clock.now())

    assert not exists(gone)
    assert exists(soon)
    assert len(receipts.receipts_of(gone.account.public_id)) == 1
    assert len(receipts.receipts_of(firm.account.public_id)) == 1
    with tenant(firm.account.pk):
        assert Erasure.objects.get(pk=asked.pk).state == "done"
        assert Export.objects.get().state == "expired"
    assert not exports.path_of(export).exists()
    assert [row["calls"] for row in usage(scene.neighbour.key)] == [5], "one was too old"
    # One mail for each cause: not the warnings and reminders whose days are over beside it.
    due_at = Purge.objects.get(account_id=soon.account.pk).due_at
    request = DataRequest.objects.get()
    assert {mail.once for mail in OutgoingMail.objects.filter(once__contains=":")} == {
        f"due:{request.reference}:{request.due_at:%Y%m%d}:3:{staff.pk}",
        f"purge:{soon.account.pk}:{due_at.isoformat()}:1:{soon.owner.pk}",
        f"export:{export.public_id}",  # of before
        *[
            f"notice:privacy:{versions('privacy')[0].version}:{company.owner.pk}"
            for company in (firm, soon, scene.neighbour)
        ],
    }
    assert not OutgoingMail.objects.filter(sent_at=None).exists()
    scene.before = sums(scene.neighbour)
    assert_nothing_else_has_changed(scene)
    checks = Client().get("/readyz?privacy").json()["checks"]
    assert [name for name, state in checks.items() if state == "broken"] == []


@pytest.mark.parametrize(
    "ahead", [400 * DAY, -365 * DAY, timedelta(hours=1, minutes=5), -timedelta(hours=1, minutes=5)]
)
def test_a_worker_whose_clock_is_wrong_deletes_nothing_for_its_age(scene, leaving, forks, ahead):
    gone, soon = leaving
    with tenant(scene.firm.account.pk):
        set_retention(scene.firm.project, 300, by=scene.firm.owner)
    letters.receive(
        topic="privacy", address="n@example.com", name="N", subject="s", text="t", user=None
    )
    before = sums(scene.firm)

    assert forks.run("all", ahead=ahead.total_seconds())

    assert exists(gone)
    assert exists(soon)
    assert sums(scene.firm) == before
    assert letters.threads_of("n@example.com")
    assert receipts.receipts_of(gone.account.public_id) == []
    assert_nothing_else_has_changed(scene)


@pytest.mark.parametrize("jump", [2 * DAY, -timedelta(hours=2)])
def test_a_database_whose_clock_was_set_deletes_nothing_for_its_age(scene, leaving, forks, jump):
    """As seen from the last look, which had another time."""
    gone, _ = leaving
    with tenant(scene.neighbour.account.pk):
        set_retention(scene.neighbour.project, 30, by=scene.neighbour.owner)
    ClockWatch.objects.create(pk=1, seen_at=clock.now() - jump, steady_since=clock.now() - 90 * DAY)

    assert forks.run("all")

    assert exists(gone)
    assert_nothing_else_has_changed(scene)
    assert "was set" in Client().get("/readyz").json()["warnings"]["clock"]


@pytest.mark.parametrize("ahead", [400 * DAY, -365 * DAY, timedelta(hours=2), -timedelta(hours=2)])
def test_a_web_process_whose_clock_is_wrong_opens_nothing_that_is_over(scene, time_machine, ahead):
    firm = scene.firm
    export = ready_export(firm, expired_for=timedelta(minutes=5))
    with tenant(firm.account.pk):
        ApiKey.objects.update(expires_at=clock.now() - timedelta(minutes=5))
    resolve.forget()
    time_machine.move_to(clock.now() + ahead)

    assert firm.client.get(f"{EXPORTS}{export.public_id}.zip").status_code != 200
    answer = Client().get("/v1/usage", headers={"Authorization": f"Bearer {firm.key}"})
    assert answer.status_code == 401
    assert "differ" in Client().get("/readyz").json()["warnings"]["clock"]
