"""Which data directory this test run uses: two runs at once must not share a server."""

import os
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / ".data-test"


def take_slot() -> Path:
    """Return the first directory that no other run holds; it is ours until this process ends."""
    for number in count():
        slot = ROOT / str(number)
        (slot / "static").mkdir(parents=True, exist_ok=True)
        lock = os.open(slot / "run.lock", os.O_RDWR | os.O_CREAT)
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return slot
    raise AssertionError
