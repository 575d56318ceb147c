"""Receipts of deletions: what was asked, done and checked, signed and chained, about nobody.

Each carries the SHA-256 of the one before it, so that none can be changed or dropped unseen, and
an Ed25519 signature that anybody can check with the public key (docs/receipts.md). They outlive
the account: whose they are is told by a keyed hash of its public id, which only we and who knows
that id can make.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db import transaction

from llmcost import clock
from llmcost.errors import NotFound
from privacy.models import Receipt, ReceiptHead

# How it was known who asks. It is asked anew with each request, so the moment is the request's.
BY_SIGN_IN = "a fresh sign-in of a member who may ask for it"
BY_KEY = "a key with the scope admin"
BY_STAFF = "our staff, when a child under 16 was reported"
BY_RECEIPT = "an earlier receipt, after a backup was restored"

FOR_GOOD = "for good"
WITH_THE_ACCOUNT = "30 days after the account ends"

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that stays, under which law, and until when."""

    what: str
    law: str
    until: str


def proof(
    *,
    asked: Mapping[str, Any],
    requested_at: datetime,
    verified_by: str,
    done_at: datetime,
    rows: Mapping[str, int],
    kept: Iterable[Kept],
    passed_on: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the body that every receipt has; the second look has just found nothing."""
    stays = [
        *kept,
        Kept("this receipt, which names nobody", "GDPR art. 5(2), accountability", FOR_GOOD),
        Kept(
            "a keyed hash outside the database, by which a restored backup forgets again",
            "GDPR art. 5(2), accountability",
            FOR_GOOD,
        ),
        Kept(
            "backups made before",
            "GDPR art. 32(1)(c), restoring after an accident",
            (done_at + timedelta(days=settings.BACKUP_DAYS)).date().isoformat(),
        ),
    ]
    return {
        "asked": asked,
        "requested_at": requested_at.isoformat(),
        "verified_at": requested_at.isoformat(),
        "verified_by": verified_by,
        "done_at": done_at.isoformat(),
        "checked_at": clock.now().isoformat(),
        "rows": rows,
        "passed_on": list(passed_on),
        "kept": [asdict(one) for one in stays],
    }


def reference(*parts: str | int | UUID) -> str:
    """Return the keyed hash by which receipts and tombstones name a thing (64 hex digits).

    It stays the same for as long as this installation keeps its secret, in every backup.
    """
    text = "\0".join(str(part) for part in parts)
    return hmac.new(settings.ERASURE_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


@transaction.atomic
def issue(kind: str, account: UUID, body: Mapping[str, Any]) -> Receipt:
    """Write the next receipt of the chain. `body` holds counts and times, never an identifier."""
    # The head is locked first, so that receipts which are made at once stand one behind the other.
    ReceiptHead.objects.get_or_create(pk=1, defaults={"number": 0})
    head = ReceiptHead.objects.select_for_update().get(pk=1)
    whole = {
        "number": head.number + 1,
        "kind": kind,
        "account": reference("account", account),
        "made_at": clock.now().isoformat(),
        "previous_sha256": head.sha256,
        **body,
    }
    text = _encode(whole)
    receipt = Receipt.objects.create(
        number=whole["number"],
        kind=kind,
        account_ref=whole["account"],
        text=text.decode(),
        sha256=hashlib.sha256(text).hexdigest(),
        signature=base64.b64encode(_key().sign(text)).decode(),
    )
    head.number, head.sha256 = receipt.number, receipt.sha256
    head.save(update_fields=["number", "sha256"])
    return receipt


def receipts_of(account: UUID) -> list[Receipt]:
    """Return the receipts of an account, newest first; known by its public id alone."""
    found = Receipt.objects.filter(account_ref=reference("account", account))
    return list(found.order_by("-number"))


def receipt_of(account: UUID, number: int) -> Receipt:
    """Return one receipt of an account. Raises NotFound, for another account's as well."""
    found = Receipt.objects.filter(account_ref=reference("account", account), number=number)
    if (receipt := found.first()) is None:
        raise NotFound
    return receipt


def broken_links() -> list[int]:
    """Return the numbers of receipts whose text, signature or link to the one before is wrong."""
    broken, previous = [], ""
    for receipt in Receipt.objects.order_by("number").iterator():
        if not _is_sound(receipt, previous):
            broken.append(receipt.number)
        previous = receipt.sha256
    head = ReceiptHead.objects.filter(pk=1).first()
    if head is not None and head.sha256 != previous:
        broken.append(head.number)  # the newest is missing
    return broken


def _is_sound(receipt: Receipt, previous: str) -> bool:
    text = receipt.text.encode()
    try:
        _key().public_key().verify(base64.b64decode(receipt.signature), text)
        whole = msgspec.json.decode(text)
    except (InvalidSignature, ValueError, msgspec.DecodeError):
        return False
    return (
        hashlib.sha256(text).hexdigest() == receipt.sha256
        and whole["previous_sha256"] == previous
        and whole["number"] == receipt.number
    )


def public_key() -> str:
    """Return the key with which anybody checks a signature: 32 bytes in base 64."""
    raw = _key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def _key() -> Ed25519PrivateKey:
    seed = hashlib.sha256(b"receipts\0" + settings.ERASURE_SECRET.encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)
