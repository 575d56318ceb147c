"""What belongs to one installation and is made once: its secrets.

Everything can come from the environment instead; this file is why `make up` asks nothing.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

# A file in the data directory: the same port from start to start, known to commands too.
LOCAL_STRIPE_PORT = "stripe.port"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The secrets of one installation; of both rings the newest stands last."""

    secret_key: str
    key_peppers: list[str]
    encryption_keys: list[str]
    erasure_secret: str
    owner_password: str
    app_password: str
    worker_password: str
    broker_password: str

    def secret_for(self, use: str) -> str:
        """Return the secret of one more use, the same for ever; it betrays no other."""
        return hmac.new(self.secret_key.encode(), use.encode(), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "Installation(…)"  # a secret in a traceback is a secret in a log


def open_installation(data_dir: Path) -> Installation:
    """Read `<data_dir>/secrets.json`, or make it (mode 0600) when it is not there yet.

    Two processes may come here at once: the file is linked into place, so that whoever is second
    reads what the first has made. Raises OSError when the directory cannot be written.
    """
    path = data_dir / "secrets.json"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = _write(path, asdict(_fresh()))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # the other process was first; its secrets count
        finally:
            draft.unlink()
    stored = json.loads(path.read_text())
    if missing := {field.name for field in fields(Installation)} - stored.keys():
        stored |= _add(path, missing)
    return Installation(**{field.name: stored[field.name] for field in fields(Installation)})


def local_stripe_url(data_dir: Path) -> str:
    """Return where `make up` has put the Stripe of local mode; empty if it has none."""
    try:
        port = int((data_dir / LOCAL_STRIPE_PORT).read_text())
    except (OSError, ValueError):
        return ""
    return f"http://127.0.0.1:{port}"


def _add(path: Path, missing: set[str]) -> dict[str, Any]:
    """Put secrets that a newer release knows into the file of an older one."""
    with path.with_suffix(".lock").open("w") as lock:
        flock(lock, LOCK_EX)  # of two processes that come here at once, the second finds them
        stored: dict[str, Any] = json.loads(path.read_text())
        fresh = asdict(_fresh())
        stored |= {name: fresh[name] for name in missing - stored.keys()}
        _write(path, stored).replace(path)
    return stored


def _write(path: Path, content: dict[str, Any]) -> Path:
    """Write a file that nobody else may read beside `path`, and return it."""
    draft = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _fresh() -> Installation:
    return Installation(
        secret_key=secrets.token_urlsafe(48),
        key_peppers=[secrets.token_urlsafe(32)],
        encryption_keys=[base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()],
        erasure_secret=secrets.token_urlsafe(32),
        owner_password=secrets.token_urlsafe(24),
        app_password=secrets.token_urlsafe(24),
        worker_password=secrets.token_urlsafe(24),
        broker_password=secrets.token_urlsafe(24),
    )
