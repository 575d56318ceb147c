"""Telling us of an installation: one request, written here byte by byte.

By hand, so that what `register --dry-run` prints is what is sent: an HTTP library would add
headers of its own, and with them things that nobody agreed to tell.
"""

import json
import os
import secrets
import socket
import ssl
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

SECONDS = 15
MOST_BYTES = 64 * 1024


class NotRegistered(Exception):
    """It did not work; the text says why, for the person at the command line."""


def request_bytes(url: str, *, email: str, plan: str) -> bytes:
    """Return the whole request. Raises NotRegistered for an address that would be sent in clear."""
    parts = _address(url)
    body = json.dumps({"email": email, "plan": plan}).encode()
    head = (
        f"POST {parts.path or '/'} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(head).encode("ascii") + body


def send(url: str, request: bytes) -> dict[str, Any]:
    """Send the request and return the licence. Raises NotRegistered."""
    parts = _address(url)
    where = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        with socket.create_connection(where, timeout=SECONDS) as plain:
            if parts.scheme == "https":
                context = ssl.create_default_context()
                with context.wrap_socket(plain, server_hostname=parts.hostname) as sealed:
                    status, answer = _exchange(sealed, request)
            else:
                status, answer = _exchange(plain, request)
    except (OSError, HTTPException, ValueError) as error:
        raise NotRegistered(
            f"{parts.hostname} gave no answer ({type(error).__name__}). Nothing here has changed;"
            " try again later."
        ) from error
    if status != 201 or not isinstance(answer, dict) or "licence" not in answer:
        raise NotRegistered(f"{parts.hostname} refused it ({status}): {_reason(answer)}")
    return {name: str(answer[name]) for name in ("licence", "plan", "registered_at")}


def stored_licence(data_dir: Path) -> dict[str, str] | None:
    """Return what an earlier registration has left here."""
    path = data_dir / "licence.json"
    return json.loads(path.read_text()) if path.exists() else None


def store_licence(data_dir: Path, licence: dict[str, str]) -> Path:
    """Keep the licence in a file that nobody else may read; return it."""
    path = data_dir / "licence.json"
    data_dir.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(licence, file, indent=2)
    draft.replace(path)
    return path


def _address(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_own_machine(parts.hostname)):
        return parts
    raise NotRegistered("REGISTRATION_URL must begin with https://.")


def _is_own_machine(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _exchange(connection: socket.socket, request: bytes) -> tuple[int, Any]:
    connection.sendall(request)
    answer = HTTPResponse(connection, method="POST")
    answer.begin()
    return answer.status, json.loads(answer.read(MOST_BYTES))


def _reason(answer: Any) -> str:
    try:
        return str(answer["error"]["message"])
    except (KeyError, TypeError):
        return "the answer is none that this version knows."
