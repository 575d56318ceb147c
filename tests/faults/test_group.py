"""The whole group, killed in every way: it comes back, and nothing is left behind.

One data directory for all tests of this file, and a group that still runs is used again: what
matters is what a killed run leaves for the next one.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.up.site import REPOSITORY, Site, environment, new_place, until

# In one process: each would make a data directory of its own.
pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("group")]

START_SECONDS = 120.0  # generous: the first start makes everything, and other tests run too


@pytest.fixture(scope="module")
def one_site() -> Iterator[Site]:
    with new_place() as directory:
        site = Site(directory / "data")
        yield site
        site.stop_whatever_runs()


@pytest.fixture
def site(one_site: Site) -> Site:
    """The group, running and ready."""
    if not one_site.is_running():
        one_site.start(within=START_SECONDS)
    until(
        lambda: any("beat" in command for command in one_site.processes().values()),
        within=START_SECONDS,
        what="the scheduler",
    )
    return one_site


@pytest.mark.parametrize(
    "pattern", ["postgres -D", "granian", "celery .* worker", "celery .* beat"]
)
def test_a_process_that_is_killed_comes_back(site, pattern):
    killed = site.process(pattern)

    os.kill(killed, signal.SIGKILL)

    until(lambda: is_back(site, pattern, killed), within=30, what=f"a new {pattern}")
    until(lambda: site.answers("/readyz"), within=30, what="the group to be ready")


def test_three_schedulers_send_one_message_a_slot(site):
    others = [
        subprocess.Popen(
            [sys.executable, "-m", "celery", "-q", "--app=llmcost.schedule", "beat"],
            cwd=REPOSITORY,
            env=environment(site.data_dir, site.port),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    try:
        until(
            lambda: schedulers_connected(site) == 3, within=START_SECONDS, what="three schedulers"
        )
        ticks, messages = ticks_and_messages(site)

        until(lambda: ticks_and_messages(site)[0] >= ticks + 3, within=30, what="three ticks")
    finally:
        for other in others:
            other.terminate()
            other.wait()

    ticks_now, messages_now = ticks_and_messages(site)
    # Between a scheduler's message and its commit the one is there and the other not yet.
    assert abs((messages_now - messages) - (ticks_now - ticks)) <= 1


def test_sigterm_stops_everything_and_leaves_nothing(site):
    # PostgreSQL, web and its two workers, worker; the scheduler comes when the site is ready.
    until(lambda: len(site.processes()) >= 6, within=15, what="the whole group")

    assert site.terminate() == 0

    assert site.processes() == {}
    assert not (site.postgres.cluster / "postmaster.pid").exists()


def test_down_stops_the_group(site):
    said = site.stop_whatever_runs()

    assert said == "Stopped.\n"
    assert site.supervisor.wait(timeout=10) == 0
    assert site.processes() == {}


def test_what_a_killed_supervisor_leaves_ends_by_itself(site):
    site.kill()

    until(lambda: not site.processes(), within=30, what="the end of all children")


def test_the_next_start_recovers_from_kill_9_of_everything(site):
    web = site.process("granian")
    workers_of_web = [pid for pid, parent in parents().items() if parent == web]
    site.supervisor.send_signal(signal.SIGSTOP)  # it shall not restart what is killed first
    for pid in site.processes().keys() - workers_of_web:
        os.kill(pid, signal.SIGKILL)
    site.kill()
    # Nobody has told these two, and they still have the port.
    assert len(workers_of_web) == 2
    assert set(workers_of_web) <= set(site.processes())

    site.start(within=START_SECONDS)

    assert not set(workers_of_web) & set(site.processes())


def is_back(site: Site, pattern: str, killed: int) -> bool:
    try:
        return site.process(pattern) != killed
    except ValueError:
        return False


def parents() -> dict[int, int]:
    """The parent of every process."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    return {int(stat.split()[0]): int(stat.rpartition(")")[2].split()[1]) for stat in stats}


def ticks_and_messages(site: Site) -> tuple[int, int]:
    """How many slots have been taken, and how many messages were ever sent."""
    with connect(site) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM llmcost_scheduletick),"
            " (SELECT last_value FROM pgmq.q_llmcost_msg_id_seq)"
        ).fetchone()


def schedulers_connected(site: Site) -> int:
    """How many connections have last inserted a tick."""
    with connect(site) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'llmcost_broker'"
        ).fetchall()
    return len(rows) - 2  # the worker's two


def connect(site: Site) -> psycopg.Connection:
    return psycopg.connect(site.postgres.admin_dsn.replace("@/postgres", "@/llmcost"))
