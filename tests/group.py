"""A group that serves a test as a user's would: what its processes are, hold and answer."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg

from llmcost.up.processes import command_of, marked
from tests.up.site import REPOSITORY, Site, environment, new_place

# A line for each request of each client would hide what a failed test says.
logging.getLogger("httpx").setLevel(logging.WARNING)

# Two cores that run other tests at the same time need long for a first start.
READY_SECONDS = 90
OPEN_COMPANY = """
import json, sys, django
django.setup()
from tests.conftest import open_company
company = open_company("Acme", sys.argv[1])
print(json.dumps({
    "key": company.key,
    "account": company.account.pk,
    "project": company.project.slug,
    "session": company.client.cookies["session"].value,
}))
"""


class Group(Site):
    """A site with its victims, its database and its answers at hand."""

    def __init__(self, data_dir: Path, *, has_own_disk: bool = False, **variables: str) -> None:
        super().__init__(data_dir, **variables)
        self.has_own_disk = has_own_disk
        self.url = f"http://127.0.0.1:{self.port}"

    # --- Start and end ---------------------------------------------------------------------
    def start(self, *, within: float = READY_SECONDS) -> float:
        return super().start(within=within)

    def wait_until_ready(self, within: float = READY_SECONDS) -> None:
        """Come back when /readyz says 200."""
        eventually(lambda: self.answers("/readyz"), within, f"ready ({self.log})")

    def kill_all(self) -> None:
        """End the supervisor and everything that it has started, at once."""
        assert self.supervisor is not None
        for pid in (self.supervisor.pid, *marked(self.data_dir), *self.postgres_pids()):
            kill(pid)
        self.supervisor.wait()

    def stop(self) -> None:
        """Stop it as `make down` does, whatever a test has left of it."""
        for pid in self.postgres_pids():
            kill(pid, signal.SIGCONT)
        self.stop_whatever_runs()

    # --- Who runs --------------------------------------------------------------------------
    def web_workers(self) -> list[int]:
        """The processes that answer requests."""
        leaders = children_of(self.supervisor.pid) if self.supervisor else []
        return [pid for pid in self._running("granian") if pid not in leaders]

    def workers(self) -> list[int]:
        """The process that folds; none while it is being started again."""
        return [pid for pid in self._running("celery") if "worker" in command_of(pid)]

    def postgres_pids(self) -> list[int]:
        """The postmaster and then all its children."""
        postmaster = self.postgres.pid
        return [] if postmaster is None else [postmaster, *children_of(postmaster)]

    def backends(self) -> list[int]:
        """The server processes that work for web, worker or scheduler."""
        return [pid for pid in self.postgres_pids() if "llmcost_" in " ".join(command_of(pid))]

    def _running(self, program: str) -> list[int]:
        return [pid for pid in marked(self.data_dir) if program in command_of(pid)]

    # --- What it holds and says ------------------------------------------------------------
    def get(self, path: str, **more: Any) -> httpx.Response:
        """The answer to a GET, waited for longer than anybody may take."""
        return httpx.get(self.url + path, timeout=15, **more)

    def open_company(self, email: str = "alice@acme.example") -> SimpleNamespace:
        """A company with a key, and its owner's session."""
        made = subprocess.run(
            [sys.executable, "-c", OPEN_COMPANY, email],
            cwd=REPOSITORY,
            env=environment(self.data_dir, self.port, DJANGO_SETTINGS_MODULE="llmcost.settings"),
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
def running_group(*, disk_bytes: int | None = None, **variables: str) -> Iterator[Group]:
    """A group that runs; stopped and swept away afterwards, whatever happened to it.

    With `disk_bytes` its data directory is a disk of that size, where we may mount one.
    `variables` are added to its environment.
    """
    with new_place() as place:
        data_dir = place / "data"
        data_dir.mkdir()
        has_own_disk = disk_bytes is not None and _mount(data_dir, disk_bytes)
        data_dir.chmod(0o755)
        group = Group(data_dir, has_own_disk=has_own_disk, **variables)
        try:
            group.start()
            yield group
        finally:
            group.stop()
            if has_own_disk:
                subprocess.run(["umount", "--lazy", data_dir], check=True)


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


def _mount(place: Path, size: int) -> bool:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "llmcost-test", place],
        check=False,
        capture_output=True,
    )
    return mounted.returncode == 0
