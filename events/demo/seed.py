"""Fill the demo workspace: the trace's 30 days through the real endpoint, once."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from events.demo import wire, workspace
from events.demo.traffic import TOTAL, Event, history

logger = logging.getLogger(__name__)

BATCH = 1_000
CONNECTIONS = 3
PROGRESS_EVERY = 5_000
# For the site to come up, and for a batch while the site is being restarted.
PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Seeded:
    """What the server said, summed up."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, answer: dict) -> None:
        """Count one answer and say now and then how far it is."""
        with self._lock:
            before = self.sent
            self.accepted += answer["accepted"]
            self.duplicates += answer["duplicates"]
            self.rejected += len(answer["rejected"])
            if before // PROGRESS_EVERY != self.sent // PROGRESS_EVERY:
                logger.info("demo_seeding", extra={"sent": self.sent, "of": TOTAL})

    @property
    def sent(self) -> int:
        """How many events have been answered."""
        return self.accepted + self.duplicates + self.rejected


def seed(demo: workspace.Demo, url: str) -> Seeded:
    """Send the 30 days and note that it is done; what was sent before counts as duplicates.

    Raises wire.Refused or wire.Unreachable; whoever then runs it again continues.
    """
    wire.wait_until_up(url, patience=PATIENCE_SECONDS)
    key, anchor = workspace.begin_seeding(demo)
    logger.info("demo_seeding", extra={"sent": 0, "of": TOTAL})
    seeded = Seeded()
    batches = _Batches(anchor)
    with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="seed") as pool:
        for done in [pool.submit(_send_all, batches, url, key, seeded) for _ in range(CONNECTIONS)]:
            done.result()
    workspace.end_seeding(demo)
    return seeded


class _Batches:
    """The events in batches, for several threads; never more of them in memory than are sent."""

    def __init__(self, anchor: datetime) -> None:
        self._events: Iterator[Event] = history(anchor)
        self._lock = threading.Lock()

    def next(self) -> list[Event]:
        with self._lock:
            return list(islice(self._events, BATCH))


def _send_all(batches: _Batches, url: str, key: str, seeded: Seeded) -> None:
    with wire.connected(url, key) as sender:
        while batch := batches.next():
            seeded.add(sender.send(batch, patience=PATIENCE_SECONDS))
