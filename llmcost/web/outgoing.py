"""Requests to addresses that a customer chose: they must not reach what stands behind our walls.

Only https, only public addresses, no redirects, no proxy from the environment, bounded in time and
size. The address is looked up once and that very one is connected to, so that a name which answers
differently the second time gains nothing.
"""

import socket
from ipaddress import ip_address
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

TIMEOUT_SECONDS = 5
MAX_BYTES = 1_000_000


class Unreachable(requests.RequestException):
    """The address is not one that we ask, or its answer is not one that we read."""


def session(*, private: bool) -> requests.Session:
    """Return a session for such requests; `private` allows http and private addresses too.

    Its requests raise `requests.RequestException`, of which Unreachable is one.
    """
    made = _Session()
    made.trust_env = False
    made.mount("https://", _Bounded() if private else _Public())
    made.mount("http://", _Bounded() if private else _Refused())
    return made


class _Session(requests.Session):
    def request(self, *args: Any, **options: Any) -> requests.Response:
        return super().request(
            *args, **options | {"timeout": TIMEOUT_SECONDS, "allow_redirects": False}
        )


class _Bounded(HTTPAdapter):
    """Reads no more than MAX_BYTES of an answer."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        response = super().send(request, **options | {"stream": True})
        body = response.raw.read(MAX_BYTES + 1, decode_content=True)
        response.close()
        if len(body) > MAX_BYTES:
            raise Unreachable("The answer is too long.", request=request)
        response._content = body  # noqa: SLF001 - what `content` of a read response is
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001
        return response


class _Refused(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        raise Unreachable("Only https is asked.", request=request)


class _PublicConnection(HTTPSConnection):
    """Connects to a public address or not at all."""

    def _new_conn(self) -> socket.socket:
        found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(ip_address(address).is_global for address in addresses):
            raise Unreachable("The address is not a public one.")
        return socket.create_connection((addresses[0], self.port), TIMEOUT_SECONDS)


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class _Public(_Bounded):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": _PublicPool}
