"""What is kept for a shorter time than its account, or than the line that it stands in."""

from datetime import timedelta

import pytest
from django.db import ProgrammingError, transaction

from accounts.models import StaffAct
from llmcost import clock
from privacy import tasks
from privacy.models import Purge
from tests.billing.conftest import as_worker  # noqa: F401 - fixture

YEAR = timedelta(days=365)


def act(*, account_id: int, ago: timedelta) -> StaffAct:
    return StaffAct.objects.create(
        at=clock.now() - ago,
        staff_id=7,
        account_id=account_id,
        action="support.noted",
        subject="/app/website/",
        reason="Alice asked for it.",
    )


@pytest.fixture
def acts(as_worker, db):  # noqa: F811
    Purge.objects.create(account_id=2, due_at=clock.now(), done_at=clock.now())
    Purge.objects.create(account_id=3, due_at=clock.now())
    return {
        "young": act(account_id=1, ago=YEAR - timedelta(minutes=1)),
        "old": act(account_id=1, ago=YEAR + timedelta(minutes=1)),
        "of a purged account": act(account_id=2, ago=timedelta()),
        "of one that will be": act(account_id=3, ago=timedelta()),
    }


def test_why_staff_did_something_is_blanked_after_a_year_or_with_the_account(acts):
    tasks.forget_reasons()
    tasks.forget_reasons()

    for one in acts.values():
        one.refresh_from_db()
    named = {name for name, one in acts.items() if one.reason and one.subject}
    blank = {name for name, one in acts.items() if not (one.reason or one.subject)}
    assert named == {"young", "of one that will be"}
    assert blank == {"old", "of a purged account"}
    assert {(one.staff_id, one.action) for one in acts.values()} == {(7, "support.noted")}


def test_nobody_writes_over_what_staff_did(acts):
    for change in ({"staff_id": 8}, {"at": clock.now()}, {"action": "support.looked"}):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            StaffAct.objects.update(**change)
