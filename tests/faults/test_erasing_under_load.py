"""A real group takes calls while an end user is erased and its worker dies.

Another company is purged meanwhile, which changes nothing for this one.
"""

import re
import subprocess
import sys

import httpx
import pytest

from tests.faults.ledger import Clients, Ledger, some_events
from tests.faults.oracle import FOLDED_WITHIN, ROLLUPS, difference
from tests.faults.test_revoked_keys import post
from tests.group import eventually, kill
from tests.up.site import REPOSITORY, environment

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]

CLIENTS = 3
# Sums by every dimension, asked by the product's own reports in one snapshot: at one instant.
WATCH = """
import sys, select, django
django.setup()
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from events.reports.query import UsageQuery
from events.reports.run import usage
from llmcost.tenancy.context import tenant_snapshot
from projects.models import Project

account, polls = int(sys.argv[1]), 0
print("watching", flush=True)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    with tenant_snapshot(account):
        for project in Project.objects.filter(account_id=account):
            sums = {
                sum((row.calls for row in rows)) and (
                    sum(row.calls for row in rows), sum(row.input_tokens for row in rows),
                    sum(row.output_tokens for row in rows), sum(row.cost_usd for row in rows))
                for names in ((), ("model",), ("feature",), ("user_id",))
                for rows in [usage(UsageQuery(
                    account_id=account, project_id=project.pk, timezone=ZoneInfo("UTC"),
                    start=datetime(2015, 1, 1, tzinfo=UTC), end=datetime(2100, 1, 1, tzinfo=UTC),
                    group_by=names))]
            }
            if len(sums) != 1:
                print(f"sums differ: {sums}", flush=True)
    polls += 1
print(polls, flush=True)
"""
LEAVE = """
import sys, django
django.setup()
from accounts.models import User
from accounts.services import close_account
from llmcost.celery import app
from llmcost.tenancy.context import tenant
from privacy.purge import purge_now
account, user = int(sys.argv[1]), User.objects.get(email=sys.argv[2])
with tenant(account):
    close_account(account, by=user)
    purge_now(account, by=user)
app.send_task("privacy.tasks.purge_due")
"""


def python(group, program, *arguments, **more):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=REPOSITORY,
        env=environment(group.data_dir, group.port, DJANGO_SETTINGS_MODULE="llmcost.settings"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **more,
    )


@pytest.fixture
def watcher(group, leaky):
    """Somebody who compares all sums of the company at every instant, and says what differs."""
    process = python(group, WATCH, leaky.account)
    assert process.stdout.readline() == "watching\n"
    yield lambda: process.communicate("enough\n", timeout=30)[0]
    process.kill()
    process.wait()


@pytest.fixture
def leaky(group):
    """A company of this test, with a key that may erase."""
    company = group.open_company("owner@leaky.example")
    page = f"/app/{company.project}/keys/"
    with httpx.Client(base_url=group.url, cookies={"session": company.session}) as client:
        made = post(client, page, page, name="All", scopes=["ingest", "read", "admin"], kind="live")
    company.key = re.search(r"llmc_live_\w{38}", made.text)[0]
    return company


def test_calls_are_taken_while_a_user_is_erased_a_worker_dies_and_another_company_is_purged(
    group, leaky, watcher
):
    ledger = Ledger()
    leaving = group.open_company("owner@leaving.example")
    sent = {"json": some_events(), "headers": {"Authorization": f"Bearer {leaving.key}"}}
    assert httpx.post(f"{group.url}/v1/events", timeout=15, **sent).status_code == 200
    mine = {"headers": {"Authorization": f"Bearer {leaky.key}"}, "timeout": 15}

    with Clients(group, leaky, ledger, threads=CLIENTS, seed=1, reads=False) as clients:
        eventually(lambda: len(ledger.acknowledged) > 400, 60, "some calls")
        before = set(ledger.acknowledged)
        asked = httpx.delete(f"{group.url}/v1/users/u1", **mine)
        after = set(ledger.started)
        assert asked.status_code == 202
        for worker in group.workers():
            kill(worker)
        with python(group, LEAVE, leaving.account, "owner@leaving.example") as leave:
            assert leave.wait(30) == 0
        job = f"{group.url}{asked.headers['Location']}"
        eventually(lambda: httpx.get(job, **mine).json()["status"] == "done", 120, "the erasure")
        clients.finish(within=30)

    assert ledger.breaches == []
    *differences, polls = watcher().splitlines()
    assert differences == []
    assert int(polls) > 5
    held = group.look(
        "SELECT event_id::text FROM events_event WHERE account_id = %s", [leaky.account]
    )
    stored = [event_id for (event_id,) in held]
    assert len(stored) == len(set(stored))
    erased = {one for one, call in ledger.acknowledged.items() if call.get("user_id") == "u1"}
    assert erased & before
    assert erased - after
    assert not erased & before & set(stored), "received before the request: gone"
    assert (erased - after) <= set(stored), "sent after it: kept"
    assert set(ledger.acknowledged) - erased == set(stored) - erased, "nobody else's is touched"
    purged = "SELECT count(*) FROM privacy_receipt WHERE kind = 'purge'"
    eventually(lambda: group.look(purged) == [(1,)], 60, "the purge of the other company")
    assert group.look(
        "SELECT count(*) FROM events_event WHERE account_id = %s", [leaving.account]
    ) == [(0,)]
    waiting = "SELECT count(*) FROM events_delta"
    eventually(lambda: group.look(waiting) == [(0,)], FOLDED_WITHIN, "all deltas folded")
    for table, (size, names) in ROLLUPS.items():
        assert group.look(difference(table, size, names)) == [], table
