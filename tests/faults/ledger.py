"""What clients sent and what was acknowledged: the truth that the product is held to."""

import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID

import httpx
import uuid_utils

from tests.group import Group

# Two models with the catalogue's prices a token, one whose price only the caller knows, and one
# that nobody can price.
RATES = {
    "gpt-4o-mini": (Decimal("0.00000015"), Decimal("0.0000006")),
    "gpt-5-mini": (Decimal("0.00000025"), Decimal("0.000002")),
}
OWN_PRICE, UNPRICED = "acme-ft-7b", "acme-base-1b"
MODELS = [*RATES, OWN_PRICE, UNPRICED]
FEATURES = ["search", "chat", "summarise", None]
USERS = ["u1", "u2", "u3", None]
PAUSE_AFTER_FAILURE = 0.05


@dataclass(slots=True)
class Ledger:
    """What is known from outside; written to by many client threads."""

    began: int = 0
    started: set[str] = field(default_factory=set)
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Whatever no client may ever see; empty in the end.
    breaches: list[str] = field(default_factory=list)
    # Batches that were answered 503: nobody knows, until they are sent again.
    refused: list[list[dict[str, Any]]] = field(default_factory=list)
    retried: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, events: list[dict[str, Any]]) -> None:
        with self.lock:
            self.began += len(events)
            self.started |= {event["event_id"] for event in events}

    def acknowledge(
        self, events: list[dict[str, Any]], answer: dict[str, Any], *, tries: int
    ) -> None:
        """Note a 200, and hold its counts to what a batch can have become: all new or all known."""
        counts = answer["accepted"], answer["duplicates"]
        possible = [(len(events), 0)] + [(0, len(events))] * (tries > 1)
        with self.lock:
            self.retried += tries > 1
            self.acknowledged |= {event["event_id"]: event for event in events}
            if counts not in possible or answer["rejected"]:
                self.breaches.append(f"Answered {answer} to {len(events)} events, try {tries}.")

    def hold(self, answer: httpx.Response) -> None:
        """Note an answer that no client may ever get."""
        kind = answer.headers.get("content-type", "")
        with self.lock:
            if answer.status_code not in (200, 503) or not kind.startswith("application/json"):
                self.breaches.append(f"{answer.status_code} {kind}: {answer.text[:200]}")
            elif answer.status_code == 503 and (
                answer.json()["error"]["code"] != "unavailable"
                or "Retry-After" not in answer.headers
            ):
                self.breaches.append(f"503 of another form: {answer.text[:200]}")

    def sums_by(self, dimension: str) -> dict[str | None, tuple[int, int, int, Decimal]]:
        """Calls, tokens and cost of everything acknowledged, group by group."""
        sums: dict[Any, list[Any]] = defaultdict(lambda: [0, 0, 0, Decimal(0)])
        for event in self.acknowledged.values():
            group = sums[event.get(dimension)]
            group[0] += 1
            group[1] += event["input_tokens"]
            group[2] += event["output_tokens"]
            group[3] += cost_of(event)
        return {name: tuple(group) for name, group in sums.items()}


def cost_of(event: dict[str, Any]) -> Decimal:
    """What the ledger says that a call costs, by arithmetic of its own."""
    if "cost_usd" in event:
        return Decimal(event["cost_usd"])
    if event["model"] not in RATES:
        return Decimal(0)
    input_rate, output_rate = RATES[event["model"]]
    return event["input_tokens"] * input_rate + event["output_tokens"] * output_rate


def make_event(chance: random.Random) -> dict[str, Any]:
    """A call of the last days, its id of either kind, some of its fields missing."""
    at = datetime.now(UTC) - timedelta(seconds=chance.randrange(3 * 86_400))
    has_time_in_id = chance.random() < 0.5
    event: dict[str, Any] = {
        "event_id": str(uuid_utils.uuid7()) if has_time_in_id else str(_uuid4(chance)),
        "model": chance.choice(MODELS),
        "input_tokens": chance.randrange(5_000),
        "output_tokens": chance.randrange(2_000),
        "created_at": at.isoformat(),
        "feature": chance.choice(FEATURES),
        "user_id": chance.choice(USERS),
        "latency_ms": chance.choice([None, chance.randrange(20_000)]),
    }
    if event["model"] == OWN_PRICE:
        event["cost_usd"] = f"0.{chance.randrange(10**10):010d}"
    if has_time_in_id and chance.random() < 0.5:
        del event["created_at"]
    return {name: value for name, value in event.items() if value is not None}


def some_events(number: int = 20) -> list[dict[str, Any]]:
    """A batch of such calls."""
    chance = random.Random()
    return [make_event(chance) for _ in range(number)]


def _uuid4(chance: random.Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)


class Clients:
    """Threads that send batches, each until it is acknowledged, and one that reads meanwhile.

    Without the reader where calls are erased: then nobody knows how many there are at least.
    """

    def __init__(
        self,
        group: Group,
        company: SimpleNamespace,
        ledger: Ledger,
        *,
        threads: int,
        seed: int,
        reads: bool = True,
    ) -> None:
        self._group, self._ledger = group, ledger
        self._headers = {"Authorization": f"Bearer {company.key}"}
        self._enough = threading.Event()
        self._give_up = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=[random.Random(seed + number)])
            for number in range(threads)
        ]
        if reads:
            self._threads.append(threading.Thread(target=self._read))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def finish(self, within: float) -> None:
        """Send no new batch, but bring every begun one to its acknowledgement."""
        self._enough.set()
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "a client is still retrying"

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._give_up.set()
        for thread in self._threads:
            thread.join()

    def _send(self, chance: random.Random) -> None:
        with httpx.Client(base_url=self._group.url, headers=self._headers, timeout=15) as http:
            while not self._enough.is_set():
                events = [make_event(chance) for _ in range(chance.choice([1, 5, 40]))]
                self._ledger.begin(events)
                tries = 0
                while not self._give_up.is_set():
                    tries += 1
                    answer = self._ask(http, "POST", "/v1/events", json=events)
                    if answer is not None and answer.status_code == 200:
                        self._ledger.acknowledge(events, answer.json(), tries=tries)
                        break
                    self._give_up.wait(PAUSE_AFTER_FAILURE)

    def _read(self) -> None:
        """Whoever reads sees at least what was acknowledged before, at most what was begun."""
        ledger = self._ledger
        with httpx.Client(base_url=self._group.url, headers=self._headers, timeout=15) as http:
            while not self._enough.wait(0.1):
                least = len(ledger.acknowledged)
                answer = self._ask(http, "GET", "/v1/usage")
                most = ledger.began
                if answer is None or answer.status_code != 200:
                    continue
                calls = answer.json()["data"][0]["calls"]
                with ledger.lock:
                    if not least <= calls <= most:
                        ledger.breaches.append(f"Read {calls} of {least} to {most}.")

    def _ask(
        self, http: httpx.Client, method: str, path: str, **body: Any
    ) -> httpx.Response | None:
        try:
            answer = http.request(method, path, **body)
        except httpx.TransportError:
            return None
        self._ledger.hold(answer)
        return answer
