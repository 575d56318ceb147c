"""Reads a mail as it came in, whatever bytes it is made of."""

import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.html import strip_tags

from privacy.errors import NoMail

MAX_BYTES = 10 * 1024 * 1024
MAX_TEXT = 100_000
MAX_SUBJECT = 300
REFERENCE = re.compile(r"\[LCT-([2-9A-HJ-NP-Z]{8})\]")
# What is no text: NUL, which PostgreSQL refuses, and other controls but tab and line feed.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
SCRIPTS = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Inbound:
    """A mail, as far as we keep it: files that hang on it are left out, and it says so."""

    address: str
    name: str
    subject: str
    text: str
    reference: str | None
    source_digest: str
    is_automatic: bool


def read_mail(raw: bytes) -> Inbound:
    """Read a mail. Raises NoMail if nobody could be answered; never fails otherwise."""
    message = message_from_bytes(raw[:MAX_BYTES])
    name, address = parseaddr(_header(message, "From"))
    try:
        validate_email(address)
    except ValidationError:
        raise NoMail from None
    subject = " ".join(_header(message, "Subject").split())[:MAX_SUBJECT]
    tag = REFERENCE.search(subject)
    identity = _header(message, "Message-ID").encode() or raw
    automatic = _header(message, "Auto-Submitted").lower()
    return Inbound(
        address=address.lower(),
        name=" ".join(name.split())[:200],
        subject=subject or "(no subject)",
        text=_text(message),
        reference=tag[1] if tag else None,
        # With the sender, so that nobody can keep another's mail out by sending its id before.
        source_digest=hashlib.sha256(address.lower().encode() + b"\0" + identity).hexdigest(),
        is_automatic=automatic not in ("", "no") or _header(message, "Precedence") == "bulk",
    )


def clean(text: str) -> str:
    """Return a text without what cannot be stored or shown."""
    return CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _header(message: Message, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    try:
        return clean(str(make_header(decode_header(str(value)))))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return clean(str(value))


def _text(message: Message) -> str:
    plain, html, files = [], [], 0
    for part in message.walk():
        if part.is_multipart():
            continue
        if part.get_filename() or part.get_content_maintype() != "text":
            files += 1
        elif part.get_content_subtype() == "html":
            html.append(strip_tags(SCRIPTS.sub(" ", _decoded(part))))
        else:
            plain.append(_decoded(part))
    text = clean("\n".join(plain or html)).strip()[:MAX_TEXT]
    if files:
        text += f"\n\n({files} attached {'file was' if files == 1 else 'files were'} not kept.)"
    return text.strip() or "(empty)"


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "utf-8", errors="replace")
    except (LookupError, UnicodeError, ValueError):
        return content.decode("latin-1")
