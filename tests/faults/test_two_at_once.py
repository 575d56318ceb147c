"""Two workers at the same deletion or export: the end is as if one had done it.

The first is held at a step, the second comes and goes as far as it can; then both go on. A
message that is delivered twice and a lease that runs out come to that.
"""

import json

import pytest

from llmcost.tenancy.context import tenant
from privacy import erasure, receipts
from privacy.models import Erasure, Receipt
from privacy.plan import tables
from tests.faults.full_account import MARK
from tests.faults.scene import (
    assert_nothing_else_has_changed,
    assert_the_mark_is_only_the_neighbours,
    make_due,
    purging,
    rows_of,
)

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]


def both(held, start, step: str) -> None:
    """Start one and hold it at a step; start another; let them end."""
    held.only_at(step)
    first = start()
    assert held.step_of(first)
    held.pass_by("all")
    second = start()
    held.wait_for_end_or_lock(second)
    held.open()
    assert first.came_to_its_end()
    assert second.came_to_its_end()


@pytest.mark.parametrize(
    "step",
    [
        "> U privacy_purge",
        "> D accounts_membership",
        "> U accounts_user",
        "> D events_event",
        "> D accounts_account",
        "> U privacy_receipthead",
    ],
)
def test_two_purges_at_once_count_every_row_once(scene, held, forks, step):
    start = purging(scene, forks)
    expected = rows_of(scene, scene.firm)
    kept = {table.name for table in tables() if table.is_kept}

    both(held, start, step)

    assert start().came_to_its_end()
    [receipt] = receipts.receipts_of(scene.firm.account.public_id)
    assert json.loads(receipt.text)["rows"] == {
        **{table: number for table, number in expected.items() if table not in kept},
        "accounts_account": 1,
        "accounts_user": 1,
    }
    assert_the_mark_is_only_the_neighbours(scene)
    assert_nothing_else_has_changed(scene)


@pytest.mark.parametrize("mode", ["delete", "anonymise"])
@pytest.mark.parametrize(
    "step",
    ["> U privacy_erasure", "> I events_delta", "> D events_user_day", "> I privacy_receipt"],
)
def test_two_erasures_at_once_take_every_call_once(scene, held, forks, mode, step):
    with tenant(scene.firm.account.pk):
        asked = erasure.erase_user(scene.firm.project, MARK, mode=mode, by=scene.firm.owner)

    def start():
        make_due(scene)
        return forks.start("privacy.tasks.erase_due")

    both(held, start, step)

    assert start().came_to_its_end()
    with tenant(scene.firm.account.pk):
        done = Erasure.objects.get(pk=asked.pk)
    assert (done.state, done.counts) == ("done", {"events_event": 3})
    assert Receipt.objects.count() == 1
    assert_the_mark_is_only_the_neighbours(scene)
    assert_nothing_else_has_changed(scene)
