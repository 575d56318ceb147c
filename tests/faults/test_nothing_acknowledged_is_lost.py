"""What was answered `accepted` is there, once, whoever is killed a moment later."""

import contextlib
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.ledger import Clients, some_events
from tests.faults.oracle import FOLDED_WITHIN, assert_nothing_is_lost, assert_rollups_equal_events
from tests.group import eventually, kill

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]

STORM_SECONDS = 10
CLIENTS = 4


def strike(group, chance) -> str:
    """Kill one process, whoever it is; return whom."""
    kinds: dict[str, Callable[[], list[int]]] = {
        "web worker": group.web_workers,
        "worker": group.workers,
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
        group.kill_all()
        group.start()
        clients.finish(within=30)

    assert ledger.retried, f"The storm has hit no request: seed {seed}, struck {struck}."
    assert_nothing_is_lost(group, company, ledger)
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
    yield postmaster
    kill(postmaster, signal.SIGCONT)


def test_while_the_database_is_away_everything_says_so_and_afterwards_works_by_itself(
    group, company, ledger, post, resend, frozen_postmaster
):
    asked = time.monotonic()
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(post, some_events())
        page = pool.submit(group.get, "/app/", cookies={"session": company.session})
        ready = pool.submit(group.get, "/readyz")
        assert group.get("/healthz").status_code == 200
    assert sent.result().status_code == 503
    assert time.monotonic() - asked < 10
    assert ready.result().status_code == 503
    assert page.result().status_code == 503
    assert page.result().headers["Retry-After"]
    assert "/static/css/" in page.result().text, "the page is in the product's design"
    kill(frozen_postmaster, signal.SIGCONT)

    eventually(lambda: post(some_events()).status_code == 200, 20, "events are taken again")

    group.wait_until_ready(within=20)
    resend()
    assert_nothing_is_lost(group, company, ledger)
    assert_rollups_equal_events(group, within=FOLDED_WITHIN)


def test_a_full_disk_refuses_events_and_loses_none(group, company, ledger, post, resend):
    if not group.has_own_disk:
        pytest.skip("A disk that may be filled must be mounted, which only root may do.")
    group.wait_until_ready()
    ballast = group.data_dir / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            fill(file)
        # Large batches, because files that are already there have some room left.
        eventually(lambda: post(some_events(2_000)).status_code == 503, 15, "a full disk is told")
        assert post(some_events(2_000)).status_code == 503
    finally:
        ballast.unlink()

    eventually(lambda: post(some_events()).status_code == 200, 35, "events are taken again")

    group.wait_until_ready(within=20)
    resend()
    assert_nothing_is_lost(group, company, ledger)
    assert_rollups_equal_events(group, within=FOLDED_WITHIN)


def fill(file) -> None:
    """Write until nothing more fits."""
    for size in (2**20, 2**12):
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(size))
