"""What a key looks like: `llmc_live_` or `llmc_test_`, 32 random characters, 6 of checksum.

The checksum (CRC-32 of all before it, in base 62) lets a secret scanner, and us, tell a real key
from noise without asking anybody; prefix and length follow GitHub's token format of 2021.
"""

import re
import secrets
import zlib
from typing import Literal

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_CHARACTERS = 32  # 190 bits
CHECKSUM_CHARACTERS = 6
Kind = Literal["live", "test"]
PATTERN = re.compile(r"llmc_(?:live|test)_[0-9A-Za-z]{38}\Z", re.ASCII)


def new_key(kind: Kind) -> str:
    """Return a fresh key; nobody has it but the caller."""
    start = f"llmc_{kind}_" + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS))
    return start + checksum(start)


def checksum(start: str) -> str:
    """Return the six characters that end a key which begins with `start`."""
    rest, digits = zlib.crc32(start.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def is_well_formed(key: str) -> bool:
    """Say whether shape and checksum are right; garbage ends here and costs no query."""
    return bool(PATTERN.match(key)) and key[-6:] == checksum(key[:-6])


def hint(key: str) -> str:
    """Return what may be shown of a key: its prefix and its last four characters."""
    return f"{key[:10]}…{key[-4:]}"
