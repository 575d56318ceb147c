"""What belongs to one installation and is made once: its secrets.

Everything can come from the environment instead; this file is why `make up` asks nothing.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The secrets of one installation; `key_peppers` is newest last."""

    secret_key: str
    key_peppers: list[str]
    owner_password: str
    app_password: str
    broker_password: str

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
        draft = data_dir / f"secrets.{secrets.token_hex(8)}.tmp"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(_fresh()), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # the other process was first; its secrets count
        finally:
            draft.unlink()
    stored = json.loads(path.read_text())
    return Installation(**{field.name: stored[field.name] for field in fields(Installation)})


def _fresh() -> Installation:
    return Installation(
        secret_key=secrets.token_urlsafe(48),
        key_peppers=[secrets.token_urlsafe(32)],
        owner_password=secrets.token_urlsafe(24),
        app_password=secrets.token_urlsafe(24),
        broker_password=secrets.token_urlsafe(24),
    )
