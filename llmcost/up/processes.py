"""Facts about other processes, and ways to end with them that hit nobody else."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# Every supervised process carries this variable with its data directory as the value, and so do
# the processes that it starts. That tells our leftovers from everybody else's processes exactly,
# where a process id could meanwhile be another's.
MARK = "LLMCOST_SUPERVISED"

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signum: int) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel signal the child when this process dies.

    On Linux only; elsewhere the next start finds what a killed supervisor left.
    """
    parent = os.getpid()

    def arm() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:  # the parent died before the kernel knew
            os._exit(1)

    return arm


def command_of(pid: int) -> list[str]:
    """Return a process's command line; empty when there is no such process (any more)."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return []
    shown = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.split()


def marked(data_dir: Path) -> list[int]:
    """Return the processes that a supervisor of this data directory has started."""
    mark = f"{MARK}={data_dir}".encode()
    if sys.platform == "linux":
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and mark in _environment(entry)
        ]
    shown = subprocess.run(
        ["ps", "-axEww", "-o", "pid=,command="], capture_output=True, check=False
    )
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines()]
    return [int(line[0]) for line in lines if len(line) == 2 and mark in line[1]]


def end_marked(data_dir: Path, *, grace: float) -> int:
    """End what an earlier supervisor of this directory has left behind; say how many there were.

    They know already that their supervisor is gone: wait `grace` seconds for them, then kill.
    """
    left = [pid for pid in marked(data_dir) if pid != os.getpid()]
    found = len(left)
    for pid in left:
        signal_quietly(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = marked(data_dir)
    for pid in left:
        signal_quietly(pid, signal.SIGKILL)
    return found


def signal_quietly(pid: int, signum: int) -> None:
    """Signal a process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signum)


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # gone meanwhile, or somebody else's
        return []
