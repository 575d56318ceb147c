"""`make bench`: events a second through POST /v1/events, beside raw COPY of the same rows.

The whole product runs meanwhile, as `make up` starts it: web, worker (which folds what arrives),
scheduler and a durable PostgreSQL; the load generator shares the machine with them.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import psycopg  # noqa: E402

from bench.group import Group, running  # noqa: E402

# (events in a request, requests, connections); all of it ends after SECONDS if it is too much.
RUNS = ((1, 6_000, 8), (100, 2_000, 8), (1_000, 500, 8))
WARM_UP = {1: 200, 100: 40, 1_000: 12}
SECONDS = 8.0
COPY_CONNECTIONS = 2
TARGET = 50_000


@dataclass(slots=True)
class Measured:
    """What one batch size reached."""

    batch: int
    per_second: float
    median_ms: float
    p99_ms: float
    # Microseconds of processor an event, by process.
    cpu: dict[str, float]


def main() -> int:
    """Measure, print, check the sums; 1 if they differ."""
    began = time.monotonic()
    print(
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; starting a group …", flush=True
    )
    with running() as group:
        key = group.manage("demo_key", "--scopes", "ingest", "read")
        sent = Sums()
        print(
            f"\n{'batch':>7} {'events/s':>10} {'median':>10} {'p99':>10}   processor µs an event",
            flush=True,
        )
        for run in RUNS:
            one = _measure(group, key, run, sent)
            print(
                f"{one.batch:>7,} {one.per_second:>10,.0f} {one.median_ms:>7.1f} ms "
                f"{one.p99_ms:>7.1f} ms   {_listed(one.cpu)}",
                flush=True,
            )
        waiting = _waiting(group)
        began_folding, cpu_before = time.monotonic(), group.cpu_seconds()
        is_exact = _is_exact(group, key, sent)
        while _waiting(group):
            time.sleep(0.1)
        folded_in, folding = time.monotonic() - began_folding, group.cpu_seconds() - cpu_before
        is_exact = is_exact and _is_exact(group, key, sent)
        rows, limit = _copy_limit(group)
    print(
        f"\nRaw COPY of the same {rows:,} rows into a bare table over {COPY_CONNECTIONS} "
        f"connections: {limit:,.0f} rows/s"
    )
    print(
        f"Not folded at the end of the last run: {waiting:,} of {sent.calls:,} events; folded "
        f"{folded_in:.1f} s later with {folding.total():.1f} s of processor"
    )
    print(f"Share in batches of {one.batch:,}: {one.per_second / limit:.0%} of COPY")
    print(f"Target {TARGET:,} events/s: {'reached' if one.per_second >= TARGET else 'MISSED'}")
    print(
        f"/v1/usage {'equals' if is_exact else 'DIFFERS FROM'} the {sent.calls:,} accepted events"
    )
    print(f"Took {time.monotonic() - began:.0f} s.")
    return 0 if is_exact else 1


@dataclass(slots=True)
class Sums:
    """What was accepted so far."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, calls: int, input_tokens: int, output_tokens: int) -> None:
        """Add what a run has sent."""
        self.calls += calls
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens


def _measure(group: Group, key: str, run: tuple[int, int, int], sent: Sums) -> Measured:
    batch, requests, connections = run
    order = {
        "port": group.port,
        "key": key,
        "batch": batch,
        "requests": requests,
        "connections": connections,
        "seconds": SECONDS,
        "warm_up": WARM_UP[batch],
    }
    before = group.cpu_seconds()
    done = subprocess.run(
        [sys.executable, REPOSITORY / "bench" / "load.py"],
        input=json.dumps(order),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    sent.add(*result["warm_up"])
    sent.add(result["events"], result["input_tokens"], result["output_tokens"])
    used = group.cpu_seconds() - before
    used["load"] = result["cpu_seconds"]
    done_events = result["events"] + result["warm_up"][0]
    latencies = sorted(result["latencies"])
    return Measured(
        batch,
        result["events"] / result["seconds"],
        statistics.median(latencies) * 1_000,
        latencies[int(len(latencies) * 0.99)] * 1_000,
        {name: seconds * 1e6 / done_events for name, seconds in used.items()},
    )


def _listed(cpu: dict[str, float]) -> str:
    parts = [f"{name} {used:.1f}" for name, used in sorted(cpu.items()) if used >= 0.05]
    return " · ".join([*parts, f"in all {sum(cpu.values()):.1f}"])


def _waiting(group: Group) -> int:
    """Return how many calls stand in deltas that are not folded yet."""
    with psycopg.connect(_admin(group)) as connection:
        [count] = connection.execute("SELECT coalesce(sum(calls), 0) FROM events_delta").fetchone()
    return int(count)


def _admin(group: Group) -> str:
    return group.postgres.admin_dsn.replace("@/postgres?", "@/llmcost?")


def _is_exact(group: Group, key: str, sent: Sums) -> bool:
    """Whether the report says what was accepted, also while the worker is still folding."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{group.port}/v1/usage", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request) as answer:
        row = json.load(answer)["data"][0]
    said = Sums(row["calls"], row["input_tokens"], row["output_tokens"])
    return said == sent


def _copy_limit(group: Group) -> tuple[int, float]:
    """Return how many rows there are, and how many a second COPY writes into a bare table."""
    admin = _admin(group)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_bare (LIKE events_event)")
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY (SELECT * FROM events_event) TO STDOUT") as copy,
        ):
            lines = b"".join(bytes(block) for block in copy).splitlines(keepends=True)
    parts = [b"".join(lines[start::COPY_CONNECTIONS]) for start in range(COPY_CONNECTIONS)]
    threads = [threading.Thread(target=_copy, args=(admin, part)) for part in parts]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(lines), len(lines) / (time.perf_counter() - began)


def _copy(admin: str, rows: bytes) -> None:
    with (
        psycopg.connect(admin) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY bench_bare FROM STDIN") as copy,
    ):
        for start in range(0, len(rows), 1 << 17):
            copy.write(rows[start : start + (1 << 17)])


if __name__ == "__main__":
    sys.exit(main())
