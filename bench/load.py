"""Send prepared batches over keep-alive connections as fast as they are answered.

A process of its own, so that its work is not measured as the product's. Reads one JSON order from
standard input, prepares every body, sends them, prints one JSON result.
"""

import json
import random
import selectors
import socket
import sys
import time
from dataclasses import asdict, dataclass, field

import msgspec
import uuid_utils

MODELS = (
    "gpt-5", "gpt-5-mini", "gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "claude-haiku-4-5",
    "gemini-2.5-flash", "gemini-2.5-pro",
)  # fmt: skip
FEATURES = ("chat", "search", "summary", "triage", "translate")
USERS = tuple(f"u_{number:06x}" for number in range(200))
PROMPTS = tuple(f"v{number}" for number in range(10))


@dataclass(frozen=True, slots=True)
class Order:
    """What to send, to whom, over how many connections, for how long at most."""

    port: int
    key: str
    batch: int
    requests: int
    connections: int
    seconds: float
    warm_up: int = 0


@dataclass(slots=True)
class Result:
    """What came back; the sums are those of the events that were accepted."""

    events: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Request:
    wire: bytes
    input_tokens: int
    output_tokens: int


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    request: _Request | None = None
    sent_at: float = 0.0
    received: bytes = b""


def run(order: Order) -> Result:
    """Send until everything is sent or the time is over; what was sent is waited for."""
    requests = [_request(order) for _ in range(order.warm_up + order.requests)]
    connections = [_Connection(_connect(order.port)) for _ in range(order.connections)]
    # Connections, threads, caches of keys and rates: what a running server has long had.
    result = _drive(connections, requests[: order.warm_up], order.seconds, order.batch)
    warm = (result.events, result.input_tokens, result.output_tokens)
    measured = _drive(connections, requests[order.warm_up :], order.seconds, order.batch)
    for connection in connections:
        connection.socket.close()
    print(json.dumps({"warm_up": warm, **asdict(measured)}))
    return measured


def _drive(
    connections: list[_Connection], requests: list[_Request], seconds: float, batch: int
) -> Result:
    result = Result()
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        for connection in connections:
            if _send_next(connection, waiting):
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            for ready, _ in selector.select():
                connection = ready.data
                if not _receive(connection, result, batch):
                    continue
                over = time.perf_counter() - began > seconds
                if over or not _send_next(connection, waiting):
                    selector.unregister(connection.socket)
        result.seconds = time.perf_counter() - began
    return result


def _send_next(connection: _Connection, waiting) -> bool:
    connection.request = next(waiting, None)
    if connection.request is None:
        return False
    connection.received = b""
    connection.sent_at = time.perf_counter()
    connection.socket.sendall(connection.request.wire)
    return True


def _receive(connection: _Connection, result: Result, batch: int) -> bool:
    """Read what has come; True once the answer is whole and counted."""
    connection.received += connection.socket.recv(65_536)
    head, found, body = connection.received.partition(b"\r\n\r\n")
    if not found:
        return False
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    if len(body) < length:
        return False
    result.latencies.append(time.perf_counter() - connection.sent_at)
    answer = json.loads(body)
    if not head.startswith(b"HTTP/1.1 200") or answer["accepted"] != batch:
        sys.exit(f"Not accepted: {head[:40]!r} {body[:200]!r}")
    result.events += batch
    result.input_tokens += connection.request.input_tokens
    result.output_tokens += connection.request.output_tokens
    return True


def _connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _request(order: Order) -> _Request:
    events = [_event() for _ in range(order.batch)]
    body = msgspec.json.encode(events[0] if order.batch == 1 else {"events": events})
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\n"
        f"Authorization: Bearer {order.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return _Request(
        head.encode() + body,
        sum(event["input_tokens"] for event in events),
        sum(event["output_tokens"] for event in events),
    )


def _event() -> dict:
    return {
        "event_id": str(uuid_utils.uuid7()),
        "created_at": time.time(),
        "model": random.choice(MODELS),
        "input_tokens": random.randrange(20, 8_000),
        "output_tokens": random.randrange(1, 1_500),
        "cost_usd": random.randrange(1, 50_000) / 1_000_000,
        "latency_ms": random.randrange(200, 20_000),
        "feature": random.choice(FEATURES),
        "user_id": random.choice(USERS),
        "prompt_version": random.choice(PROMPTS),
    }


if __name__ == "__main__":
    run(Order(**json.load(sys.stdin)))
