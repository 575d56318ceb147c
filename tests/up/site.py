"""`make up` as a real process group: started, looked at, killed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmcost.up.postgres import EmbeddedPostgres
from llmcost.up.processes import marked

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def until(condition: Callable[[], object], *, within: float, what: str) -> float:
    """Wait until the condition holds and return how long that took; fail when it never does."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"{what} took longer than {within} s"
        time.sleep(0.02)
    return time.monotonic() - began


@contextmanager
def new_place() -> Iterator[Path]:
    """A directory that PostgreSQL's user can reach, which pytest's are not when root runs it."""
    directory = Path(tempfile.mkdtemp(prefix="llmcost-test-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(data_dir: Path, port: int, **extra: str) -> dict[str, str]:
    """What a user's shell has, and nothing of the test's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "LLMCOST_DATA": str(data_dir),
        "PORT": str(port),
        "DEMO": "off",
        "LOCAL_STRIPE": "off",
        **extra,
    }


def run_up(data_dir: Path, port: int, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, for starts that must fail."""
    return subprocess.run(
        [sys.executable, "-m", "llmcost.up"],
        cwd=REPOSITORY,
        env=environment(data_dir, port, **extra),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Site:
    """One data directory and the group that runs for it."""

    def __init__(self, data_dir: Path, **variables: str) -> None:
        self.data_dir = data_dir
        self.variables = variables
        self.port = free_port()
        self.postgres = EmbeddedPostgres(data_dir)
        self.log = data_dir.parent / "up.log"
        self.supervisor: subprocess.Popen[bytes] | None = None

    def start(self, *, within: float) -> float:
        with self.log.open("ab") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "llmcost.up"],
                cwd=REPOSITORY,
                env=environment(self.data_dir, self.port, **self.variables),
                stdout=log,
                stderr=log,
            )
        return until(lambda: self.answers("/readyz"), within=within, what=f"ready ({self.log})")

    def is_running(self) -> bool:
        return self.supervisor is not None and self.supervisor.poll() is None

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def processes(self) -> dict[int, str]:
        """Everything that belongs to the group but the supervisor: process id and command."""
        found = marked(self.data_dir) + [pid for pid in [self.postgres.pid] if pid]
        return {pid: command for pid in found if (command := _command(pid))}

    def process(self, pattern: str) -> int:
        """The one process whose command matches; of several, the one that started first.

        Some start only when the site is ready, so one that is not there yet is waited for.
        """

        def found() -> list[int]:
            return [pid for pid, line in self.processes().items() if re.search(pattern, line)]

        until(found, within=15, what=f"a process like {pattern}")
        return min(found())

    def terminate(self) -> int:
        assert self.supervisor is not None
        self.supervisor.send_signal(signal.SIGTERM)
        return self.supervisor.wait(timeout=60)

    def kill(self) -> None:
        assert self.supervisor is not None
        self.supervisor.kill()
        self.supervisor.wait()

    def stop_whatever_runs(self) -> str:
        """Run `make down`; return what it says."""
        said = subprocess.run(
            [sys.executable, "-m", "llmcost.up.down"],
            cwd=REPOSITORY,
            env=environment(self.data_dir, self.port),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        if self.supervisor is not None:
            self.supervisor.wait(10)
        return said


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
