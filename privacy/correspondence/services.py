"""Every write to letters, and the only place that opens their seals."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import User
from llmcost import clock, outbox, vault
from privacy.correspondence.address import digest, digests
from privacy.correspondence.mail import Inbound, clean, read_mail
from privacy.models import DataRequest, Message, Thread, Topic

# Said in the privacy policy.
KEPT = timedelta(days=730)
# Letters of one address in a day; what is more is no correspondence.
MOST_A_DAY = 50
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # as REFERENCE of privacy.correspondence.mail
REFERENCE_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote, and about what: a thread's seal, opened."""

    address: str
    name: str
    subject: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, opened."""

    text: str
    is_ours: bool
    by_user_id: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Correspondence:
    """A thread, opened: what an export of its person holds."""

    reference: str
    topic: str
    person: Person
    letters: tuple[Letter, ...]


@transaction.atomic
def receive(
    *,
    topic: Topic,
    address: str,
    name: str,
    subject: str,
    text: str,
    user: User | None = None,
    thread: Thread | None = None,
    source_digest: str | None = None,
) -> Thread:
    """Keep a letter, in a thread of its own if it is no answer. Returns the thread."""
    now = clock.now()
    if thread is None:
        person = {"address": address.strip(), "name": clean(name), "subject": clean(subject)}
        thread = Thread.objects.create(
            reference=_new_reference(),
            topic=topic,
            address_digest=digest(address),
            sealed=vault.seal(json.dumps(person)),
            user=user,
            opened_at=now,
            last_at=now,
        )
    Message.objects.create(
        thread=thread,
        is_ours=False,
        sealed=vault.seal(clean(text)),
        source_digest=source_digest,
        at=now,
    )
    thread.last_at = now
    thread.waiting_since = thread.waiting_since or now
    thread.save(update_fields=["last_at", "waiting_since"])
    return thread


def receive_mail(raw: bytes, *, topic: Topic) -> Thread | None:
    """Keep a mail that came in; None for one that is kept already or that nobody wrote.

    An answer finds its thread by the mark in its subject, if it comes from the address to which
    we wrote. Raises NoMail.
    """
    mail = read_mail(raw)
    if mail.is_automatic or _writes_too_much(mail.address):
        return None
    thread = _thread_of(mail)
    try:
        return receive(
            topic=topic,
            address=mail.address,
            name=mail.name,
            subject=mail.subject,
            text=mail.text,
            thread=thread,
            source_digest=mail.source_digest,
        )
    except IntegrityError:
        return None  # the same mail was delivered before


def _thread_of(mail: Inbound) -> Thread | None:
    if mail.reference is None:
        return None
    return Thread.objects.filter(
        reference=mail.reference, address_digest__in=digests(mail.address)
    ).first()


def _writes_too_much(address: str) -> bool:
    yesterday = clock.now() - timedelta(days=1)
    letters = Message.objects.filter(
        thread__address_digest__in=digests(address), is_ours=False, at__gt=yesterday
    )
    return letters.count() >= MOST_A_DAY


@transaction.atomic
def answer(thread: Thread, text: str, *, by: User | None) -> None:
    """Write to the person: kept in the thread, mailed by the worker."""
    now = clock.now()
    person = person_of(thread)
    message = Message.objects.create(
        thread=thread,
        is_ours=True,
        by_user_id=by.pk if by else None,
        sealed=vault.seal(clean(text)),
        at=now,
    )
    thread.last_at, thread.waiting_since = now, None
    thread.save(update_fields=["last_at", "waiting_since"])
    outbox.post(
        "privacy/email/letter",
        person.address,
        {"person": person, "text": clean(text), "reference": thread.reference},
        once=f"letter:{message.pk}",
    )


def person_of(thread: Thread) -> Person:
    """Open the seal of a thread. Raises vault.Unsealable."""
    return Person(**json.loads(vault.unseal(thread.sealed)))


def letters_of(thread: Thread) -> tuple[Letter, ...]:
    """Open the seals of a thread's messages, the oldest first. Raises vault.Unsealable."""
    return tuple(
        Letter(vault.unseal(one.sealed), one.is_ours, one.by_user_id, one.at)
        for one in thread.messages.order_by("pk")
    )


def threads_of(address: str) -> list[Correspondence]:
    """Return all correspondence with an address, opened: for a person's export."""
    return [
        Correspondence(thread.reference, thread.topic, person_of(thread), letters_of(thread))
        for thread in _of_address(address).order_by("pk")
    ]


def erase_threads_of(address: str) -> int:
    """Delete all correspondence with an address; return how many threads it was.

    A request that was made in one stays as a number with its steps, and names nobody.
    """
    return _delete(_of_address(address))


def forget_old() -> int:
    """Delete what is older than the policy says, except where a request is still open."""
    still_open = DataRequest.objects.filter(thread=OuterRef("pk"), closed_at=None)
    return _delete(Thread.objects.filter(~Exists(still_open), last_at__lt=clock.now() - KEPT))


def _delete(threads: QuerySet[Thread]) -> int:
    _, deleted = threads.delete()
    return deleted.get("privacy.Thread", 0)


def _of_address(address: str) -> QuerySet[Thread]:
    return Thread.objects.filter(address_digest__in=digests(address))


def _new_reference() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(REFERENCE_LENGTH))
