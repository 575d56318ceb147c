"""A group of child processes: started, read, restarted when they die, stopped in order.

One thread and one `select`: output of the children, their deaths and our own signals all arrive
in `_pump`, and everything else waits by pumping.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from llmcost.up.processes import MARK, die_with_parent

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
# The first restart comes at once; a program that keeps dying is left alone ever longer.
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0
# Who has lived this long may die again without waiting.
PROVEN_AFTER = 60.0
NAME_WIDTH = 9


class StopRequested(Exception):
    """Somebody pressed Ctrl-C or sent SIGTERM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What runs as one child.

    `start` gets the file descriptor to write output to. `stage`: lower ones stop first;
    `patience`: seconds between the polite signal and SIGKILL.
    """

    name: str
    start: Callable[[int], subprocess.Popen[bytes]]
    restart: bool = True
    stage: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 10.0


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    began: float
    backoff: float = 0.0
    restart_at: float | None = None
    exit_code: int | None = None


@dataclass(slots=True)
class _Output:
    name: str
    rest: bytes = b""


@dataclass(slots=True)
class Supervisor:
    """The children of one data directory. Use as a context manager: leaving it stops them all."""

    data_dir: Path
    _children: dict[str, _Child] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _stops: int = 0
    _stopping: bool = False

    def __enter__(self) -> Self:
        wake, awoken = socket.socketpair()
        for end in (wake, awoken):
            end.setblocking(False)
        signal.set_wakeup_fd(awoken.fileno(), warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ, (wake, awoken))
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the select
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_all()

    def python(
        self,
        *arguments: str,
        stdout: int | None = None,
        stderr: int | None = None,
        **variables: str,
    ) -> Callable[[int], subprocess.Popen[bytes]]:
        """Return the `start` of a program that this Python runs from the project's directory.

        `stdout` and `stderr` take a stream away from the output that is forwarded; `variables` are
        added to the program's environment.
        """
        environment = {**os.environ, **variables, MARK: str(self.data_dir)}

        def start(output: int) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=output if stderr is None else stderr,
                # Not in the terminal's group: a Ctrl-C is ours to pass on, in order.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - we have one thread
            )

        return start

    def start(self, program: Program) -> None:
        """Start a program and keep it running."""
        self._children[program.name] = self._launch(program)

    def run(self, program: Program) -> int:
        """Run a program to its end and return its exit code. Raises StopRequested."""
        self.start(program)
        child = self._children[program.name]
        self.wait_until(lambda: child.exit_code is not None)
        assert child.exit_code is not None
        return child.exit_code

    def wait_until(
        self, condition: Callable[[], bool], *, timeout: float | None = None, every: float = 0.05
    ) -> bool:
        """Tend to the children until the condition holds; False when the time is over.

        Raises StopRequested.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not condition():
            if self._stops:
                raise StopRequested
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._pump(every)
        return True

    def tend(self) -> None:
        """Tend to the children for ever. Raises StopRequested."""
        self.wait_until(lambda: False, every=60.0)

    def say(self, name: str, line: str) -> None:
        """Write a line to our own output, as a child's lines are written."""
        _write(f"{name:<{NAME_WIDTH}}| {line}\n".encode())

    def _launch(self, program: Program) -> _Child:
        read_end, write_end = os.pipe()
        try:
            process = program.start(write_end)
        finally:
            os.close(write_end)
        os.set_blocking(read_end, False)
        self._selector.register(read_end, selectors.EVENT_READ, _Output(program.name))
        return _Child(program, process, time.monotonic())

    def _pump(self, timeout: float) -> None:
        waits = [timeout] + [
            max(0.0, child.restart_at - time.monotonic())
            for child in self._children.values()
            if child.restart_at is not None
        ]
        for key, _ in self._selector.select(min(waits)):
            if isinstance(key.data, _Output):
                self._read(key.fd, key.data)
            else:
                _drain(key.data[0])
        for child in list(self._children.values()):
            self._look_after(child)

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.restart_at is not None:
            if now >= child.restart_at and not self._stopping:
                fresh = self._launch(child.program)
                fresh.backoff = child.backoff
                self._children[child.program.name] = fresh
            return
        if child.exit_code is not None or child.process.poll() is None:
            return
        child.exit_code = child.process.returncode
        # What it started itself (Granian's workers) would keep the port from its successor.
        _signal_group(child.process.pid, signal.SIGKILL)
        if not child.program.restart or self._stopping:
            return
        if now - child.began > PROVEN_AFTER:
            child.backoff = 0.0
        child.restart_at = now + child.backoff
        again = f"again in {child.backoff:.1f} s" if child.backoff else "starting it again"
        self.say("up", f"{child.program.name} ended ({_in_words(child.exit_code)}); {again}.")
        child.backoff = min(max(child.backoff * 2, FIRST_BACKOFF), LONGEST_BACKOFF)

    def _read(self, descriptor: int, output: _Output) -> None:
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        *lines, output.rest = (output.rest + chunk).split(b"\n")
        if not chunk:
            self._selector.unregister(descriptor)
            os.close(descriptor)
            lines = [output.rest] if output.rest else []
        label = f"{output.name:<{NAME_WIDTH}}| ".encode()
        _write(b"".join(label + line + b"\n" for line in lines))

    def _stop_all(self) -> None:
        """Stop stage after stage; a second Ctrl-C stops waiting for anybody."""
        self._stopping = True
        stops_before = self._stops
        for stage in sorted({child.program.stage for child in self._children.values()}):
            children = [
                child
                for child in self._children.values()
                if child.program.stage == stage and child.exit_code is None
            ]
            for child in children:
                # To the leader alone: it knows how to end its own children.
                child.process.send_signal(child.program.stop_signal)
            patience = max((child.program.patience for child in children), default=0.0)
            deadline = time.monotonic() + patience
            while (
                any(child.exit_code is None for child in children)
                and time.monotonic() < deadline
                and self._stops <= max(stops_before, 1)
            ):
                self._pump(0.05)
            for child in children:
                if child.exit_code is None:
                    self.say("up", f"{child.program.name} did not stop in time; killing it.")
                    _signal_group(child.process.pid, signal.SIGKILL)
                    child.process.wait()
                    child.exit_code = child.process.returncode
        self._pump(0.0)

    def _on_stop_signal(self, *_: object) -> None:
        self._stops += 1


def _signal_group(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody is left in it
        os.killpg(pid, signum)


def _drain(wake: socket.socket) -> None:
    with suppress(BlockingIOError):
        while wake.recv(4096):
            pass


def _write(text: bytes) -> None:
    with suppress(OSError):  # nobody reads us any more; the children matter more
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()


def _in_words(exit_code: int) -> str:
    if exit_code < 0:
        return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
