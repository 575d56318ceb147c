"""Mails as files, for an installation without a mail server, and reading them again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.parser import BytesParser
from pathlib import Path
from re import fullmatch

import uuid_utils
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class FileBackend(BaseEmailBackend):
    """Writes each mail to a file of its own in `MAIL_DIR`, named so that names sort by time."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = Path(settings.MAIL_DIR)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in email_messages:
            file = folder / f"{uuid_utils.uuid7().hex}.eml"
            draft = file.with_suffix(".tmp")
            draft.write_bytes(message.message().as_bytes(linesep="\r\n"))
            draft.rename(file)  # whoever lists the folder meets whole mails only
        return len(email_messages)


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One mail of `MAIL_DIR`."""

    name: str
    to: str
    subject: str
    sent_at: datetime
    text: str
    html: str


def stored_mails(limit: int = 200) -> Iterator[StoredMail]:
    """Read the newest mails first."""
    files = sorted(Path(settings.MAIL_DIR).glob("*.eml"), reverse=True)
    return (_read(file) for file in files[:limit])


def stored_mail(name: str) -> StoredMail | None:
    """Read one mail by its name, which comes from a URL."""
    file = Path(settings.MAIL_DIR) / f"{name}.eml"
    return _read(file) if fullmatch(r"[0-9a-f]{32}", name) and file.exists() else None


def _read(file: Path) -> StoredMail:
    mail = BytesParser(policy=policy.default).parsebytes(file.read_bytes())
    bodies = {kind: mail.get_body((kind,)) for kind in ("plain", "html")}
    contents = {kind: body.get_content() if body else "" for kind, body in bodies.items()}
    return StoredMail(
        name=file.stem,
        to=str(mail["To"]),
        subject=str(mail["Subject"]),
        sent_at=mail["Date"].datetime,
        text=contents["plain"],
        html=contents["html"],
    )
