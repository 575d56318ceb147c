"""Send prepared batches over keep-alive connections as fast as they are answered.

A process of its own, so that its work is not measured as the product's. Reads one JSON order from
standard input, prepares every body, sends them, prints one JSON result.
"""

import gc
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import msgspec  # noqa: E402

from bench.traffic import event  # noqa: E402


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
    cpu_seconds: float = 0.0
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
    gc.freeze()
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
    cpu_before = time.process_time()
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
    result.cpu_seconds = time.process_time() - cpu_before
    return result


def _send_next(connection: _Connection, waiting: Iterator[_Request]) -> bool:
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
    events = [event() for _ in range(order.batch)]
    body = msgspec.json.encode(events[0] if order.batch == 1 else {"events": events})
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\n"
        f"Authorization: Bearer {order.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return _Request(
        head.encode() + body,
        sum(call["input_tokens"] for call in events),
        sum(call["output_tokens"] for call in events),
    )


if __name__ == "__main__":
    run(Order(**json.load(sys.stdin)))
