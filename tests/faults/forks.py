"""Processes that do a piece of the worker's work, and that may be killed in the middle of it.

One process loads the product as a worker does and then only forks, because loading takes seconds
and a test kills a hundred. Each child runs a task of the worker, or a command, in connections of
its own.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.up.site import REPOSITORY, until

# By this name the database knows whom it may hold (tests/faults/held.py): ours, and not those of
# tests that run beside us.
NAME = f"killed-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


class Child:
    """One process and its last word, which a killed one has not said."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid = pid
        self._said = folder / str(pid)

    def is_running(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not self.is_running(), within=10, what="the end of a killed process")

    def came_to_its_end(self, within: float = 30) -> bool:
        """Wait for it; False if it was killed. Fails with what it has failed with."""
        until(lambda: not self.is_running(), within=within, what=f"process {self.pid}")
        said = self._said.read_text() if self._said.exists() else ""
        assert said in ("", "done"), said
        return said == "done"


class Forks:
    """The process that forks, as seen by a test."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def start(self, name: str, *arguments: str, **conditions: Any) -> Child:
        """Run a task of the worker (by its name), `all` that are scheduled, or a command.

        Conditions: `constants` of modules by dotted name, so that few rows are many steps;
        `file_bytes`, the length at which whoever writes a file is ended in the middle of it;
        `ahead`, by how many seconds the process's clock is wrong.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"name": name, "arguments": arguments, **conditions}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Child(int(self._process.stdout.readline()), self._folder)

    def run(self, name: str, *arguments: str, **conditions: Any) -> bool:
        """Run it; say whether it came to its end."""
        return self.start(name, *arguments, **conditions).came_to_its_end()


@contextmanager
def forking(folder: Path, **variables: str) -> Iterator[Forks]:
    """The process that forks; `folder` is where its children leave their last words."""
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.forks", str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "llmcost.settings", "PGAPPNAME": NAME}
        | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Forks(process, folder)
        assert process.stdin is not None
        process.stdin.close()


# --- What runs there -------------------------------------------------------------------------
def _main(folder: Path) -> None:
    import django

    django.setup()
    from llmcost.schedule import EVERY

    for task in EVERY:
        import_module(task.rpartition(".")[0])  # and all of theirs: no child has the time for it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a child that has ended is gone at once
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os._exit(_child(folder / str(os.getpid()), **json.loads(line)))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _child(
    words: Path,
    name: str,
    arguments: list[str],
    constants: dict[str, Any] | None = None,
    file_bytes: int | None = None,
    ahead: float = 0,
) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said = "done"
    try:
        for place, value in (constants or {}).items():
            module, _, constant = place.rpartition(".")
            setattr(import_module(module), constant, value)
        with _clock(ahead):
            if file_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
            _do(name, arguments)
    except BaseException:  # noqa: BLE001 - whatever it is, the test shall hear of it
        said = traceback.format_exc()
    words.with_suffix(".new").write_text(said)
    words.with_suffix(".new").rename(words)
    return 0


def _do(name: str, arguments: list[str]) -> None:
    from celery import current_app
    from django.core.management import call_command

    from llmcost.schedule import EVERY

    if name == "all":
        for task in EVERY:
            current_app.tasks[task]()
    elif "." in name:
        current_app.tasks[name](*arguments)
    else:
        call_command(name, *arguments, stdout=open(os.devnull, "w"), stderr=sys.stderr)  # noqa: SIM115


def _clock(ahead: float) -> Any:
    if not ahead:
        return nullcontext()
    import time

    import time_machine

    return time_machine.travel(time.time() + ahead, tick=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
