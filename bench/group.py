"""A whole group as `make up` starts it, in a data directory of its own that is removed again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from llmcost.up.postgres import EmbeddedPostgres
from llmcost.up.processes import command_of, marked

REPOSITORY = Path(__file__).resolve().parent.parent
READY_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Group:
    """A running site."""

    port: int
    environment: dict[str, str]
    postgres: EmbeddedPostgres

    def manage(self, *arguments: str) -> str:
        """Run a command of this site and return what it printed."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            check=True,
            cwd=REPOSITORY,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()

    def cpu_seconds(self) -> Counter[str]:
        """Return what PostgreSQL, web, worker and scheduler have computed so far."""
        used: Counter[str] = Counter()
        for pid in marked(Path(self.environment["LLMCOST_DATA"])):
            command = command_of(pid)
            names = {"granian": "web", "worker": "worker", "beat": "scheduler"}
            kind = next((names[part] for part in command if part in names), "web")
            used[kind] += _cpu_of(pid)
        postmaster = self.postgres.pid
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and postmaster in (int(entry.name), _parent_of(entry.name)):
                used["postgres"] += _cpu_of(entry.name)
        return used


def _stat(pid: int | str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # gone meanwhile
        return ["0"] * 20


def _parent_of(pid: int | str) -> int:
    return int(_stat(pid)[1])


def _cpu_of(pid: int | str) -> float:
    """Return seconds of a process and of its children that have ended."""
    return sum(map(int, _stat(pid)[11:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running() -> Iterator[Group]:
    """Start PostgreSQL, web, worker and scheduler; stop and remove them afterwards."""
    parent = REPOSITORY / ".data"  # on the disk that the product would use; /tmp may be memory
    parent.mkdir(exist_ok=True)
    data_dir = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    data_dir.chmod(0o755)  # PostgreSQL may run as another user
    log = data_dir / "up.log"
    port = _free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")},
        "LLMCOST_DATA": str(data_dir),
        "PORT": str(port),
        "DEMO": "off",
        "LOCAL_STRIPE": "off",  # so that nobody stops at a plan's limit
        # One key sends everything here, which is what the limit is there to prevent.
        "RATE_LIMIT_PER_KEY": "1000000",
    }
    postgres = EmbeddedPostgres(data_dir)
    with log.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "llmcost.up"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(up, log)
        yield Group(port, environment, postgres)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)
        for place in {data_dir, postgres.cluster.parent, postgres.socket_dir}:
            shutil.rmtree(place, ignore_errors=True)


def _wait_until_ready(up: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the line that says where the site is."""
    for _ in range(READY_SECONDS * 10):
        text = log.read_text(errors="replace")
        if "ready in" in text:
            return
        if up.poll() is not None:
            sys.exit(f"The group did not start:\n{text}")
        time.sleep(0.1)
    sys.exit(f"The group was not ready in {READY_SECONDS} s:\n{text}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
