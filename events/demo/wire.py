"""Send events to the HTTP endpoint, as any program would: keep-alive, gzip, safe repeats."""

import gzip
import http.client
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

# Worth another try: the server was busy, restarting or without its database. Ids make it harmless.
PASSING = {408, 429, 500, 502, 503, 504}
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 3.0
# Below this, compressing costs more than it saves.
COMPRESS_FROM_BYTES = 4_096


class Refused(Exception):
    """The server said no and would say no again; carries the status and its code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"the server answered {status} {code}")
        self.status, self.code = status, code


class Unreachable(Exception):
    """The server did not answer in time."""


class Sender:
    """One connection to one server with one key; not for several threads."""

    def __init__(self, url: str, key: str, *, timeout: float = 20.0) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        self._path = parts.path.rstrip("/")
        self._key = key

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def send(self, events: list[dict[str, Any]], *, patience: float) -> dict[str, Any]:
        """Send events until they are stored and return the answer.

        Raises Refused, or Unreachable when `patience` seconds have not been enough.
        """
        body = json.dumps({"events": events}, separators=(",", ":")).encode()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        if len(body) >= COMPRESS_FROM_BYTES:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        deadline = time.monotonic() + patience
        for wait in _waits():
            answer = self._post(body, headers)
            if answer is not None:
                return answer
            if time.monotonic() + wait > deadline:
                raise Unreachable
            time.sleep(wait)
        raise AssertionError("waits never end")

    def _post(self, body: bytes, headers: dict[str, str]) -> dict[str, Any] | None:
        """Return the answer, None if it is worth another try. Raises Refused."""
        try:
            self._connection.request("POST", f"{self._path}/v1/events", body, headers)
            response = self._connection.getresponse()
            status, said = response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next request opens it again
            return None
        if status == 200:
            return json.loads(said)
        if status in PASSING:
            return None
        raise Refused(status, _code_in(said))


@contextmanager
def connected(url: str, key: str) -> Iterator[Sender]:
    """Have a sender whose connection is given back."""
    sender = Sender(url, key)
    try:
        yield sender
    finally:
        sender.close()


def wait_until_up(url: str, *, patience: float) -> None:
    """Return as soon as the site answers. Raises Unreachable."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    deadline = time.monotonic() + patience
    for wait in _waits():
        connection = kind(parts.hostname or "", parts.port, timeout=5.0)
        try:
            connection.request("GET", f"{parts.path.rstrip('/')}/healthz")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass  # not yet
        finally:
            connection.close()
        if time.monotonic() + wait > deadline:
            raise Unreachable
        time.sleep(wait)


def _waits() -> Iterator[float]:
    """Return how long to wait after each try: ever longer, and not all senders at once."""
    wait = FIRST_WAIT_SECONDS
    while True:
        yield wait * random.uniform(0.8, 1.2)  # noqa: S311 - nothing secret
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)


def _code_in(said: bytes) -> str:
    try:
        return str(json.loads(said)["error"]["code"])
    except (ValueError, LookupError, TypeError):
        return ""
