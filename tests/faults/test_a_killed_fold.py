"""A fold is all or nothing: killed in the middle, it has done nothing, and is done again soon."""

import pytest

from tests.faults.ledger import some_events
from tests.faults.oracle import FOLDED_WITHIN, assert_nothing_is_lost, assert_rollups_equal_events
from tests.group import eventually, kill

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]

# A fold that waits for somebody else's lock, seen from outside.
WAITING_FOLD = """
    SELECT pid FROM pg_stat_activity
    WHERE usename = 'llmcost_worker' AND wait_event_type = 'Lock'
        AND query LIKE '%DELETE FROM events_delta%'
"""


def test_a_fold_that_is_killed_has_folded_nothing_and_the_next_one_folds_it(
    group, company, ledger, post
):
    group.wait_until_ready()
    with group.connect() as holder:
        # Reports read on; the fold waits for us with its deltas already deleted.
        holder.execute("LOCK TABLE events_quarter IN EXCLUSIVE MODE")
        assert post(some_events()).status_code == 200
        eventually(lambda: group.look(WAITING_FOLD), 10, "a fold that waits for our lock")
        [worker] = group.workers()

        kill(worker)

        assert_nothing_is_lost(group, company, ledger)
    eventually(lambda: worker not in group.workers() and group.workers(), 10, "a new worker")
    assert_rollups_equal_events(group, within=FOLDED_WITHIN)
    assert_nothing_is_lost(group, company, ledger)
