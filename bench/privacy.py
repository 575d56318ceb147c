"""`make bench-privacy`: export, erasures and the purge of a large account, beside the limits.

The whole product runs meanwhile, as `make up` starts it, and a client keeps sending calls. N calls
(the first argument, 10,000,000 if there is none) belong to a company with two projects; a tenth as
many to its neighbour, which must not notice anything. Further arguments choose the parts.
"""

import http.client
import json
import os
import signal
import statistics
import sys
import threading
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import psycopg  # noqa: E402

from bench import history  # noqa: E402
from bench.group import Group, running  # noqa: E402
from bench.traffic import event  # noqa: E402
from llmcost.up.processes import command_of, marked  # noqa: E402

CALLS = 10_000_000
SAMPLES = 20_000
SECOND_PROJECT, NEIGHBOUR = 0.3, 0.1
# The ninth of thirty thousand: about one call in a hundred is theirs.
USER = "user_00009"
WORKER_BYTES = 250_000_000
# What the client sends while others work.
EVENTS_AT_ONCE, REQUESTS_A_SECOND = 100, 10
MEASURES = "count(*), sum(input_tokens), sum(output_tokens), coalesce(sum(cost_usd), 0)"
PATIENCE = 7_200
PARTS = ("export", "erase_user", "erase_span", "erase_project", "purge")


@dataclass(frozen=True, slots=True)
class Firm:
    """A company of the bench: its number, its owner's, its projects' numbers and keys."""

    account: int
    owner: int
    projects: list[tuple[int, str]]

    @property
    def main(self) -> tuple[int, str]:
        """The project with most calls."""
        return self.projects[0]

    @property
    def second(self) -> tuple[int, str]:
        """The other one."""
        return self.projects[1]


def main() -> int:
    """Load, measure, print, check the sums; 1 if they differ or a limit is missed."""
    calls = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else CALLS
    print(f"{os.cpu_count()} cores, {calls:,} calls; starting a group …", flush=True)
    with running() as group, psycopg.connect(_admin(group), autocommit=True) as link:
        bench = Bench(group, link)
        bench.load(calls)
        for part in sys.argv[2:] or PARTS:
            getattr(bench, part)()
    print(f"\n{'All sums are exact.' if not bench.wrong else 'WRONG: ' + '; '.join(bench.wrong)}")
    return 1 if bench.wrong else 0


class Bench:
    """One installation, and what was found wrong with it."""

    def __init__(self, group: Group, link: psycopg.Connection[Any]) -> None:
        self.group, self.link = group, link
        self.wrong: list[str] = []
        self.firm = self._open("firm")
        self.neighbour = self._open("neighbour")

    # --- Preparing -----------------------------------------------------------------------------
    def load(self, calls: int) -> None:
        """Fill both companies."""
        self.calls, began = calls, time.monotonic()
        for _ in range(SAMPLES // 1_000):
            _send(self.group.port, self.neighbour.main[1], _body(1_000))
        until(lambda: not self._value("SELECT count(*) FROM events_delta"), "the samples to fold")
        second = int(calls * SECOND_PROJECT)
        shares = {
            (self.firm.account, self.firm.main[0]): calls - second,
            (self.firm.account, self.firm.second[0]): second,
            (self.neighbour.account, self.neighbour.main[0]): int(calls * NEIGHBOUR),
        }
        history.make(_admin(self.group), shares)
        took = time.monotonic() - began
        size = self._value("SELECT pg_database_size(current_database())")
        print(f"Loaded in {took:.0f} s; the database has {size / 1e9:.1f} GB.", flush=True)
        self._check("after loading")

    def _open(self, name: str) -> Firm:
        opened = json.loads(self._site(f"opened({name!r})"))
        return Firm(
            opened["account"], opened["owner"], [tuple(pair) for pair in opened["projects"]]
        )

    def _site(self, call: str) -> str:
        """Run a function of `firms.py` inside the site."""
        return self.group.manage("shell", "-v0", "-c", f"from bench import firms; firms.{call}")

    # --- Export --------------------------------------------------------------------------------
    def export(self) -> None:
        """Export everything while calls come in; kill the worker once on the way."""
        calls = self.calls
        limit, size = self._copied()
        deflated = _deflate_speed(self.link, self.firm.account)
        idle = _memory(self._worker(), "VmRSS")
        lost = 0
        with self._ingest(self.neighbour.main[1]) as before, self._ingest_during() as during:
            _forget_peak(self._worker())
            self._site(f"export({self.firm.account}, {self.firm.owner})")
            began, cpu_before = time.monotonic(), self.group.cpu_seconds()
            peaks, steps, written, is_killed, stood_still, seen_at = [], 0, 0, False, 0.0, began
            while True:
                [state, now, bytes_] = self._one(
                    "SELECT state, events_written, size_bytes FROM privacy_export"
                )
                if now != written:
                    lost += max(0, written - now)
                    written, steps = now, steps + 1
                    stood_still = max(stood_still, time.monotonic() - seen_at)
                    seen_at = time.monotonic()
                if state not in ("queued", "running"):
                    break
                if not is_killed and written > calls * 0.3:
                    peaks.append(_memory(self._worker(), "VmHWM"))
                    os.kill(self._worker(), signal.SIGKILL)
                    is_killed = True
                if time.monotonic() - began > PATIENCE:
                    sys.exit("The export did not end.")
                time.sleep(0.25)
            seconds = time.monotonic() - began
            cpu = self.group.cpu_seconds() - cpu_before
            peaks.append(_memory(self._worker(), "VmHWM"))
        print(
            f"\nExport: {written:,} calls in {seconds:.0f} s ({written / seconds:,.0f}/s), "
            f"{bytes_ / 1e6:,.0f} MB ({bytes_ / 1e6 / seconds:.1f} MB/s), state {state}; the "
            f"worker was killed once, {lost:,} calls had to be written again. Progress moved "
            f"{steps:,} times and stood still for at most {stood_still:.1f} s. Processor, ingest "
            f"included and the killed worker's share missing: {_listed(cpu)}.\n"
            f"  Worker: idle {idle / 1e6:.0f} MB, peaks "
            f"{', '.join(f'{peak / 1e6:.0f}' for peak in peaks)} MB of {WORKER_BYTES / 1e6:.0f}.\n"
            f"  Limits: COPY of the same rows {limit:.1f} s ({size / 1e6 / limit:.0f} MB/s of "
            f"text), deflate {deflated / 1e6:.0f} MB/s, so both {size / deflated + limit:.0f} s.\n"
            f"  {_compared(before, during)}",
            flush=True,
        )
        if state != "ready" or written != calls or lost:
            self.wrong.append(f"the export has {written:,} of {calls:,} calls ({state})")
        if max(peaks) > WORKER_BYTES:
            self.wrong.append("the worker needed more memory than it may")

    def _copied(self) -> tuple[float, int]:
        began, size = time.monotonic(), 0
        with self.link.cursor() as cursor, cursor.copy(_of(self.firm.account)) as copy:
            for block in copy:
                size += len(block)
        return time.monotonic() - began, size

    # --- Erasures ------------------------------------------------------------------------------
    def erase_user(self) -> None:
        """Erase one end user of the large project by the API."""
        project, key = self.firm.main
        where = f"account_id = {self.firm.account} AND project_id = {project} "
        self._erase(
            "one end user",
            f"{where} AND user_id = '{USER}'",
            lambda: _call(self.group.port, "DELETE", f"/v1/users/{USER}", key),
        )

    def erase_span(self) -> None:
        """Erase a week."""
        project, _ = self.firm.main
        end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
        start = end - timedelta(days=7)
        where = f"account_id = {self.firm.account} AND project_id = {project} "
        self._erase(
            "a week",
            f"{where} AND created_at >= '{start}' AND created_at < '{end}'",
            lambda: self._site(
                f"erase_span({self.firm.account}, {self.firm.owner}, {project},"
                f" {start.isoformat()!r}, {end.isoformat()!r})"
            ),
        )

    def erase_project(self) -> None:
        """Erase the second project."""
        project, _ = self.firm.second
        self._erase(
            "a project",
            f"account_id = {self.firm.account} AND project_id = {project}",
            lambda: self._site(f"erase_project({self.firm.account}, {self.firm.owner}, {project})"),
        )

    def purge(self) -> None:
        """Purge the whole company."""
        self._erase(
            "the account",
            f"account_id = {self.firm.account}",
            lambda: self._site(f"purge_now({self.firm.account}, {self.firm.owner})"),
            ingest_by=self.neighbour.main[1],
        )

    def _erase(
        self,
        what: str,
        where: str,
        ask: Callable[[], object],
        *,
        ingest_by: str | None = None,
    ) -> None:
        rows, limit = self._delete_limit(where)
        with (
            self._ingest(ingest_by or self.firm.main[1]) as before,
            self._ingest_during() as during,
        ):
            receipts = self._value("SELECT count(*) FROM privacy_receipt")
            # The other command line takes seconds to start; asking itself does not.
            ask()
            began, cpu_before = time.monotonic(), self.group.cpu_seconds()
            until(
                lambda: self._value("SELECT count(*) FROM privacy_receipt") > receipts,
                f"the receipt of {what}",
            )
            seconds = time.monotonic() - began
            cpu = self.group.cpu_seconds() - cpu_before
        print(
            f"\nErase {what}: {rows:,} calls; receipt after {seconds:.0f} s "
            f"({rows / seconds:,.0f} calls/s; processor, ingest included: {_listed(cpu)}).\n"
            f"  Limit: a plain DELETE of the same rows {limit:.1f} s; {seconds / limit:.1f} times "
            f"that.\n  {_compared(before, during)}",
            flush=True,
        )
        self._check(f"after erasing {what}")

    def _delete_limit(self, where: str) -> tuple[int, float]:
        """Delete the rows and take it back."""
        began = time.monotonic()
        with self.link.transaction(force_rollback=True):
            rows = self.link.execute(f"DELETE FROM events_event WHERE {where}").rowcount
            return rows, time.monotonic() - began

    # --- A client that keeps sending -------------------------------------------------------------
    @contextmanager
    def _ingest(self, key: str) -> Iterator["Client"]:
        """Send calls at a steady pace for some seconds, and keep on while others work."""
        self.client = Client(self.group.port, key)
        self.client.start()
        time.sleep(8)
        before = self.client.take()
        try:
            yield before
        finally:
            self.client.stop()
            if self.client.failed:
                self.wrong.append(f"{self.client.failed} requests of ingest failed")

    @contextmanager
    def _ingest_during(self) -> Iterator[list[float]]:
        during: list[float] = []
        yield during
        during.extend(self.client.take())

    # --- Checking --------------------------------------------------------------------------------
    def _check(self, when: str) -> None:
        """Compare what reports say with the calls themselves, project by project, user by user."""
        until(lambda: not self._value("SELECT count(*) FROM events_delta"), "everything to fold")
        for firm in (self.firm, self.neighbour):
            for project, key in firm.projects:
                if not self._value(f"SELECT count(*) FROM projects_project WHERE id = {project}"):
                    continue
                where = f"WHERE account_id = {firm.account} AND project_id = {project}"
                held = self._one(f"SELECT {MEASURES} FROM events_event {where}")
                said = _usage(self.group.port, key)
                if [value or 0 for value in held] != said:
                    self.wrong.append(f"{when} /v1/usage of project {project} differs")
                if self._value(_DIFFERENCES.format(where=where)):
                    self.wrong.append(f"{when} users' sums of project {project} differ")

    def _worker(self) -> int:
        """The worker's process; waited for while the supervisor starts it again."""
        for _ in range(600):
            for pid in marked(Path(self.group.environment["LLMCOST_DATA"])):
                if "worker" in command_of(pid):
                    return pid
            time.sleep(0.1)
        sys.exit("There is no worker.")

    def _one(self, sql: str) -> list[Any]:
        return list(self.link.execute(sql).fetchone())

    def _value(self, sql: str) -> Any:
        return self._one(sql)[0]


_DIFFERENCES = """
    SELECT count(*) FROM (
        SELECT coalesce(user_id, '') AS name, count(*) AS calls, sum(coalesce(cost_usd, 0)) AS cost
        FROM events_event {where} GROUP BY 1
    ) AS held
    FULL JOIN (
        SELECT user_id AS name, sum(calls) AS calls, sum(cost_usd) AS cost
        FROM events_user_day {where} GROUP BY 1 HAVING sum(calls) <> 0
    ) AS said USING (name)
    WHERE (held.calls, held.cost) IS DISTINCT FROM (said.calls, said.cost)
"""


@dataclass
class Client:
    """Sends batches at a steady pace over one connection, and notes how long each took."""

    port: int
    key: str
    failed: int = 0
    latencies: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Begin sending."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def take(self) -> list[float]:
        """Return the latencies since the last time."""
        taken, self.latencies = self.latencies, []
        return taken

    def stop(self) -> None:
        """End sending."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        due = time.monotonic()
        while not self._stop.is_set():
            body = _body(EVENTS_AT_ONCE)
            due = max(due + 1 / REQUESTS_A_SECOND, time.monotonic() - 1)
            self._stop.wait(max(0.0, due - time.monotonic()))
            began = time.perf_counter()
            link.request("POST", "/v1/events", body, {"Authorization": f"Bearer {self.key}"})
            answer = link.getresponse()
            answer.read()
            self.latencies.append(time.perf_counter() - began)
            self.failed += answer.status != 200
        link.close()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something to become true."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > ends:
            sys.exit(f"Waited in vain for {what}.")
        time.sleep(0.2)


def _body(events: int) -> bytes:
    return json.dumps([event() for _ in range(events)]).encode()


def _send(port: int, key: str, body: bytes) -> None:
    _call(port, "POST", "/v1/events", key, body)


def _call(port: int, method: str, path: str, key: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        body,
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def _usage(port: int, key: str) -> list[Any]:
    """Return the sums of everything, ten days at a time: one answer may take ten seconds."""
    sums: list[Any] = [0, 0, 0, Decimal()]
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for step in range(history.DAYS // 10 + 1):
        end = start - timedelta(days=10 * step - 2)
        span = urlencode({"from": (end - timedelta(days=10)).isoformat(), "to": end.isoformat()})
        for row in _call(port, "GET", f"/v1/usage?{span}", key)["data"]:
            names = ("calls", "input_tokens", "output_tokens", "cost_usd")
            sums = [one + Decimal(row[name]) for one, name in zip(sums, names, strict=True)]
    return sums


def _listed(cpu: Counter[str]) -> str:
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in sorted(cpu.items()))


def _of(account: int) -> str:
    return f"COPY (SELECT * FROM events_event WHERE account_id = {account}) TO STDOUT"


def _deflate_speed(link: psycopg.Connection[Any], account: int) -> float:
    """Return bytes a second of deflate as the archive uses it, over the first 32 MB of calls."""
    sample = bytearray()
    with (
        link.cursor() as cursor,
        cursor.copy(_of(account).replace(") TO", " LIMIT 100000) TO")) as copy,
    ):
        for block in copy:
            sample += block
    began = time.perf_counter()
    zlib.compress(bytes(sample))
    return len(sample) / (time.perf_counter() - began)


def _memory(pid: int, line: str) -> int:
    for text in Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith(line):
            return int(text.split()[1]) * 1_024
    return 0


def _forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _compared(before: list[float], during: list[float]) -> str:
    return (
        f"Ingest of {EVENTS_AT_ONCE * REQUESTS_A_SECOND:,} calls/s meanwhile: "
        f"p50 {_share(during, 0.5):.0f} ms (before {_share(before, 0.5):.0f}), "
        f"p99 {_share(during, 0.99):.0f} ms (before {_share(before, 0.99):.0f}), "
        f"longest {max(during) * 1_000:.0f} ms"
    )


def _share(latencies: list[float], share: float) -> float:
    if len(latencies) < 2:
        return statistics.fmean(latencies) * 1_000
    return sorted(latencies)[int(len(latencies) * share)] * 1_000


def _admin(group: Group) -> str:
    return group.postgres.admin_dsn.replace("@/postgres?", "@/llmcost?")


if __name__ == "__main__":
    sys.exit(main())
