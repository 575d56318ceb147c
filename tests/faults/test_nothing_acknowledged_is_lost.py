"""What was answered `accepted` is there, once, whoever is killed a moment later."""

import contextlib
import random
import signal
import time
from collections.abc import Callable

import httpx
import pytest

from tests.faults.ledger import Clients, Ledger, make_event
from tests.faults.oracle import assert_nothing_is_lost, assert_rollups_equal_events
from tests.group import eventually, kill

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]

STORM_SECONDS = 10
CLIENTS = 4
FOLDED_WITHIN = 20
# A fold that waits for somebody else's lock, seen from outside.
WAITING_FOLD = """
    SELECT pid FROM pg_stat_activity
    WHERE usename = 'llmcost_app' AND wait_event_type = 'Lock' AND query LIKE '%DELETE FROM events_delta%'
"""


@pytest.fixture(scope="module")
def ledger():
    """Everything that was ever acknowledged: each test adds to it, and none may lose any of it."""
    return Ledger()


@pytest.fixture
def post(group, company, ledger):
    """Send a batch; what is acknowledged goes into the ledger."""

    def send(events) -> httpx.Response:
        ledger.begin(events)
        answer = httpx.post(
            f"{group.url}/v1/events",
            json=events,
            headers={"Authorization": f"Bearer {company.key}"},
            timeout=30,
        )
        ledger.hold(answer)
        if answer.status_code == 200:
            ledger.acknowledge(events, answer.json(), tries=1)
        return answer

    return send


def some_events(number=20, seed=None):
    chance = random.Random(seed)
    return [make_event(chance) for _ in range(number)]


def strike(group, chance) -> str:
    """Kill one process, whoever it is; return whom."""
    kinds: dict[str, Callable[[], list[int]]] = {
        "web worker": group.web_workers,
        "worker": group.worker,
        "backend": group.backends,
        "postmaster": lambda: group.postgres_pids()[:1],
    }
    [kind] = chance.choices(list(kinds), weights=[5, 2, 2, 1])
    pids = kinds[kind]()
    if pids:
        kill(chance.choice(pids))
    return kind if pids else f"no {kind}"


def test_a_storm_of_killed_processes_loses_and_doubles_nothing(group, company, ledger):
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    struck = []

    with Clients(group, company, ledger, threads=CLIENTS, seed=seed) as clients:
        ends = time.monotonic() + STORM_SECONDS
        while time.monotonic() < ends:
            struck.append(strike(group, chance))
            # The next one is hit when work goes on again, or when it does not for a while.
            reached = len(ledger.acknowledged) + chance.choice([1, 100, 300])
            until = time.monotonic() + chance.uniform(0.5, 1.5)
            while len(ledger.acknowledged) < reached and time.monotonic() < until:
                time.sleep(0.01)
        group.kill()
        group.start()
        clients.finish(within=30)

    story = f"seed {seed}, struck {struck}"
    assert ledger.retried, f"The storm has hit no request: {story}."
    assert ledger.began == len(ledger.acknowledged), story
    assert_nothing_is_lost(group, company, ledger)
    assert_rollups_equal_events(group, within=FOLDED_WITHIN)
    assert_nothing_is_lost(group, company, ledger)


def test_a_fold_that_is_killed_has_folded_nothing_and_the_next_one_folds_it(
    group, company, ledger, post
):
    group.wait_until_ready()
    with group.connect() as holder:
        # Reports read on; the fold waits for us with its deltas already deleted.
        holder.execute("LOCK TABLE events_quarter IN EXCLUSIVE MODE")
        assert post(some_events()).status_code == 200
        eventually(lambda: group.look(WAITING_FOLD), 10, "a fold that waits for our lock")
        [worker] = group.worker()

        kill(worker)

        assert_nothing_is_lost(group, company, ledger)
    eventually(lambda: worker not in group.worker() and group.worker(), 10, "a new worker")
    assert_rollups_equal_events(group, within=FOLDED_WITHIN)
    assert_nothing_is_lost(group, company, ledger)


@pytest.fixture
def frozen_postmaster(group):
    """A database that is away: nobody new gets in, and who was in is thrown out."""
    group.wait_until_ready()
    postmaster, *children = group.postgres_pids()
    kill(postmaster, signal.SIGSTOP)
    for child in children:
        kill(child)
    yield
    kill(postmaster, signal.SIGCONT)


def test_while_the_database_is_away_everything_says_so_and_afterwards_works_by_itself(
    group, company, ledger, post, frozen_postmaster
):
    asked = time.monotonic()
    refused = post(some_events())
    assert refused.status_code == 503
    assert time.monotonic() - asked < 10
    page = httpx.get(f"{group.url}/app/", cookies={"session": company.session}, timeout=15)
    assert page.status_code == 503
    assert page.headers["Retry-After"]
    assert "/static/css/" in page.text, "the page is in the product's design"
    assert group.status("/healthz") == 200
    assert httpx.get(f"{group.url}/readyz", timeout=15).status_code == 503
    kill(group.postgres.pid, signal.SIGCONT)

    eventually(lambda: post(some_events()).status_code == 200, 20, "events are taken again")

    group.wait_until_ready(within=20)
    assert_nothing_is_lost(group, company, ledger)
    assert_rollups_equal_events(group, within=FOLDED_WITHIN)


def test_a_full_disk_refuses_events_and_loses_none(group, company, ledger, post):
    if not group.has_own_disk:
        pytest.skip("A disk that may be filled must be mounted, which only root may do.")
    group.wait_until_ready()
    ballast = group.data_dir / "ballast"
    try:
        with ballast.open("wb") as file:
            fill(file)
        # Large batches, because files that are already there have some room left.
        eventually(lambda: post(some_events(2_000)).status_code == 503, 15, "a full disk is told")
        assert post(some_events(2_000)).status_code == 503
    finally:
        ballast.unlink()

    eventually(lambda: post(some_events()).status_code == 200, 35, "events are taken again")

    group.wait_until_ready(within=20)
    assert_nothing_is_lost(group, company, ledger)
    assert_rollups_equal_events(group, within=FOLDED_WITHIN)


def fill(file) -> None:
    """Write until nothing more fits."""
    for size in (2**20, 2**12):
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(size))
                file.flush()
