"""What an installation that others reach must have; without it no process of it starts.

Public means that `PUBLIC_URL` is set. On somebody's own machine none of this is asked.
"""

import base64
import binascii
import os
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

# As Django's own check of a deployment asks.
SECRET_KEY_LENGTH, SECRET_KEY_LETTERS = 50, 5
FERNET_KEY_BYTES = 32


def missing(
    environment: Mapping[str, str], *, secret_key: str, encryption_keys: Sequence[str]
) -> list[str]:
    """Return a sentence for each thing that is missing; none for an installation of local mode."""
    url = environment.get("PUBLIC_URL")
    if url is None:
        return []
    said = []
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        said.append(
            "PUBLIC_URL must begin with https:// and name a host: sessions and keys may only travel"
            " encrypted."
        )
    if not environment.get("TRUSTED_PROXY_COUNT", "").strip().isdigit():
        said.append(
            "Set TRUSTED_PROXY_COUNT to the number of proxies in front (usually 1, the one that"
            " ends TLS): rate limits need to know whose address is whose."
        )
    if not urlsplit(environment.get("EMAIL_URL", "")).hostname:
        said.append(
            "Set EMAIL_URL to your mail server (smtp://user:password@host:587): nobody could"
            " confirm an address or reset a password without mail."
        )
    if len(secret_key) < SECRET_KEY_LENGTH or len(set(secret_key)) < SECRET_KEY_LETTERS:
        said.append(
            f"SECRET_KEY must be {SECRET_KEY_LENGTH} random characters or more; leave it out to"
            " have one made."
        )
    if not encryption_keys or not all(_is_fernet_key(key) for key in encryption_keys):
        said.append(
            "ENCRYPTION_KEYS must be Fernet keys (32 random bytes in URL-safe Base64), separated by"
            " commas; leave it out to have one made."
        )
    return said


def refuse_if_missing(
    environment: Mapping[str, str], *, secret_key: str, encryption_keys: Sequence[str]
) -> None:
    """End this process with all that is missing, a line each, and exit code 78."""
    said = missing(environment, secret_key=secret_key, encryption_keys=encryption_keys)
    if said:
        sys.stderr.write("\n".join(said) + "\n")
        sys.exit(os.EX_CONFIG)


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == FERNET_KEY_BYTES
    except (binascii.Error, ValueError):
        return False
