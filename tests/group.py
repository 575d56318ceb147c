"""The product as a user runs it: a real group of processes, in a data directory of its own."""

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg

from llmcost.up.down import stop_group
from llmcost.up.postgres import EmbeddedPostgres
from llmcost.up.processes import command_of, die_with_parent, marked

# A line for each request of each client would hide what a failed test says.
logging.getLogger("httpx").setLevel(logging.WARNING)

REPOSITORY = Path(__file__).resolve().parent.parent
# Two cores that run other tests at the same time need long for a first start.
READY_SECONDS = 90
# What comes from the surroundings must not change what is tested.
FOREIGN = ("DATABASE_URL", "PUBLIC_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
OPEN_COMPANY = """
import json, django
django.setup()
from tests.conftest import open_company
company = open_company("Acme", "alice@acme.example")
print(json.dumps({
    "key": company.key,
    "account": company.account.pk,
    "project": company.project.slug,
    "session": company.client.cookies["session"].value,
}))
"""


class Group:
    """One group: PostgreSQL, web, worker, scheduler and the supervisor that keeps them."""

    def __init__(self, data_dir: Path, *, has_own_disk: bool = False) -> None:
        self.data_dir = data_dir
        self.has_own_disk = has_own_disk
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir / "up.log"
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in FOREIGN},
            "LLMCOST_DATA": str(data_dir),
            "PORT": str(self.port),
            "DEMO": "off",
        }

    # --- Start and end ---------------------------------------------------------------------
    def start(self) -> None:
        """Start it and come back when it is ready."""
        with self.log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "llmcost.up"],
                cwd=REPOSITORY,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Even a killed test run leaves nothing behind.
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it only makes two calls
            )
        self.wait_until_ready()

    def wait_until_ready(self, within: float = READY_SECONDS) -> None:
        """Come back when /readyz says 200."""
        eventually(lambda: self.status("/readyz") == 200, within, f"ready; see {self.log}")

    def kill(self) -> None:
        """End the supervisor and everything that it has started, at once."""
        assert self._supervisor is not None
        victims = [self._supervisor.pid, *marked(self.data_dir), *self.postgres_pids()]
        for pid in victims:
            kill(pid)
        self._supervisor.wait()

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and whatever a test has left of it."""
        for pid in self.postgres_pids():
            kill(pid, signal.SIGCONT)
        if self._supervisor is not None and self._supervisor.poll() is None:
            self._supervisor.terminate()
            try:
                self._supervisor.wait(60)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait()
        stop_group(self.data_dir)

    # --- Who runs --------------------------------------------------------------------------
    def web_workers(self) -> list[int]:
        """The processes that answer requests."""
        return [pid for pid in self._running("granian") if pid not in self._leaders()]

    def worker(self) -> list[int]:
        """The process that folds."""
        return [pid for pid in self._running("celery") if "worker" in command_of(pid)]

    def scheduler(self) -> list[int]:
        """The process that says when."""
        return [pid for pid in self._running("celery") if "beat" in command_of(pid)]

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The group's database server."""
        return EmbeddedPostgres(self.data_dir)

    def postgres_pids(self) -> list[int]:
        """The postmaster and then all its children."""
        postmaster = self.postgres.pid
        return [] if postmaster is None else [postmaster, *children_of(postmaster)]

    def backends(self) -> list[int]:
        """The server processes that work for web, worker or scheduler."""
        return [
            pid
            for pid in self.postgres_pids()
            if any(role in " ".join(command_of(pid)) for role in ("llmcost_app", "llmcost_broker"))
        ]

    def _running(self, program: str) -> list[int]:
        return [pid for pid in marked(self.data_dir) if program in command_of(pid)]

    def _leaders(self) -> list[int]:
        return children_of(self._supervisor.pid) if self._supervisor else []

    # --- What it says ----------------------------------------------------------------------
    def status(self, path: str) -> int | None:
        """The status of a GET; None when nobody answers."""
        try:
            return httpx.get(self.url + path, timeout=5).status_code
        except httpx.TransportError:
            return None

    def open_company(self) -> SimpleNamespace:
        """A company with a key, and its owner's session."""
        made = subprocess.run(
            [sys.executable, "-c", OPEN_COMPANY],
            cwd=REPOSITORY,
            env={**self._environment, "DJANGO_SETTINGS_MODULE": "llmcost.settings"},
            check=True,
            capture_output=True,
            text=True,
        )
        return SimpleNamespace(**json.loads(made.stdout))

    def look(self, statement: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Ask the database as its superuser: what is there, not what somebody may see."""
        with self.connect() as connection:
            return connection.execute(statement, params).fetchall()

    def connect(self) -> psycopg.Connection:
        """A superuser's connection, only to look and to hold locks."""
        dsn = self.postgres.admin_dsn.replace("@/postgres?", "@/llmcost?")
        return psycopg.connect(dsn, connect_timeout=10)


@contextmanager
def running_group(*, disk_bytes: int | None = None) -> Iterator[Group]:
    """A group that runs; stopped and swept away afterwards, whatever happened to it.

    With `disk_bytes` its data directory is a disk of that size, where we may mount one.
    """
    # World-readable, so that an unprivileged PostgreSQL can live in it when we are root.
    data_dir = Path(tempfile.mkdtemp(prefix="llmcost-group-"))
    has_disk = disk_bytes is not None and _mount(data_dir, disk_bytes)
    data_dir.chmod(0o755)
    group = Group(data_dir, has_own_disk=has_disk)
    try:
        group.start()
        yield group
    finally:
        group.stop()
        shutil.rmtree(group.postgres.cluster.parent, ignore_errors=True)
        if has_disk:
            subprocess.run(["umount", "--lazy", data_dir], check=True)
        shutil.rmtree(data_dir, ignore_errors=True)


def eventually(condition: Callable[[], Any], within: float, what: str) -> Any:
    """Ask until the answer is true; return it. Fails with `what` was expected."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"Not within {within:.0f} s: {what}."
        time.sleep(0.05)
    return answer


def kill(pid: int, signum: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signum)


def children_of(parent: int) -> list[int]:
    """The processes that a process has started and that still run."""
    try:
        threads = list(Path(f"/proc/{parent}/task").iterdir())
        texts = [(thread / "children").read_text() for thread in threads]
    except OSError:  # it ended meanwhile
        return []
    return [int(pid) for text in texts for pid in text.split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _mount(place: Path, size: int) -> bool:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "llmcost-test", place],
        check=False,
        capture_output=True,
    )
    return mounted.returncode == 0
