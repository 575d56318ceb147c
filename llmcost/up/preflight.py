"""What is checked before anything is started, each failure as one sentence."""

import errno
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmcost import public
from llmcost.installation import Installation
from llmcost.up import CannotStart

# Enough for the database's files, its write-ahead log and the collected static files.
NEEDED_BYTES = 200 * 1024 * 1024
HOST = "127.0.0.1"


def port_from(environment: dict[str, str]) -> int:
    """Read PORT. Raises CannotStart."""
    text = environment.get("PORT", "8000")
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise CannotStart(f"PORT must be a number from 1 to 65535, but it is {text!r}.")
    return int(text)


@contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Have the data directory for this process alone.

    Raises CannotStart when it cannot be written, is (nearly) full, or somebody else has it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "up.lock").open("a+")
    except OSError as error:
        raise _not_writable(data_dir, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"It already runs in this folder (process {holder_of(data_dir)}): stop it with"
                " `make down`."
            ) from None
        _check_space(data_dir)
        try:
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
        except OSError as error:
            raise _not_writable(data_dir, error) from error
        yield


def holder_of(data_dir: Path) -> int | None:
    """Return the process that has claimed the data directory.

    The lock, not the number in it, says whether there is one; so the number is never stale.
    """
    try:
        claim_file = (data_dir / "up.lock").open()
    except OSError:
        return None
    deadline = time.monotonic() + 1.0
    with claim_file:
        while True:
            try:
                fcntl.flock(claim_file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                return None
            claim_file.seek(0)
            text = claim_file.read().strip()
            if text.isdigit():
                return int(text)
            if time.monotonic() > deadline:  # it has locked the file but not yet signed it
                return None
            time.sleep(0.01)


def check_public(environment: dict[str, str], installation: Installation) -> None:
    """Raise CannotStart with all that a public installation lacks, a line each."""
    keys = environment.get("ENCRYPTION_KEYS", "").split(",")
    said = public.missing(
        environment,
        secret_key=environment.get("SECRET_KEY", installation.secret_key),
        encryption_keys=keys if keys != [""] else installation.encryption_keys,
    )
    if said:
        raise CannotStart("\n".join(said))


def check_port(port: int) -> None:
    """Raise CannotStart when another program listens there already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it the connections of our own last run would count as taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is taken by another program" if taken else f"cannot be opened ({error.strerror})"
            raise CannotStart(
                f"Port {port} {why}: choose another one, for example `PORT={_other(port)} make up`."
            ) from error


def _not_writable(data_dir: Path, error: OSError) -> CannotStart:
    return CannotStart(
        f"{data_dir} cannot be written ({error.strerror}): make it writable or choose another"
        " directory with LLMCOST_DATA."
    )


def _check_space(data_dir: Path) -> None:
    free = shutil.disk_usage(data_dir).free
    if free < NEEDED_BYTES:
        raise CannotStart(
            f"The disk of {data_dir} is full ({free // 2**20} MB free, {NEEDED_BYTES // 2**20} MB"
            " needed): free some space or choose another directory with LLMCOST_DATA."
        )


def _other(port: int) -> int:
    return port + 1 if 1024 <= port < 65535 else 8001
