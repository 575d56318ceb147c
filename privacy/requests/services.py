"""Every step of a data request, each with its precondition; no page decides any of this.

received -> verifying -> in progress (-> extended) -> answered or refused. Who asks is verified
before anything is told or done: by being signed in, or by a link to the address that works once.
"""

import hashlib
import secrets
from calendar import monthrange
from collections.abc import Mapping
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction

from accounts.models import Membership, Role, User
from llmcost import clock, outbox
from llmcost.errors import NotFound
from llmcost.tenancy.context import tenant
from privacy.correspondence import services as letters
from privacy.errors import IdentityMissing, LinkInvalid, WrongState
from privacy.models import (
    DataRequest,
    Kind,
    Referral,
    RequestStep,
    State,
    Thread,
    Topic,
)
from privacy.requests import texts

# Promised: answered within 30 days. The law allows two months more, once, with a reason, so never
# later than three months after the request came (GDPR art. 12(3)).
DUE = timedelta(days=30)
EXTENSION = timedelta(days=60)
LATEST_MONTHS = 3
LINK_WORKS = timedelta(hours=24)
# A request that nobody confirms is closed after so long; its mail says so.
UNCONFIRMED = timedelta(days=7)
REMIND_DAYS = (7, 3, 1, 0)
WITH_US = (State.IN_PROGRESS, State.EXTENDED)
UNVERIFIED = (State.RECEIVED, State.VERIFYING)
OPEN = (*UNVERIFIED, *WITH_US)

# Every step that is written down, as pages say it.
STEPS: Mapping[str, str] = {
    "received": "received",
    "link_sent": "link sent to the address, to see who asks",
    "verified_by_sign_in": "identity verified by being signed in",
    "verified_by_link": "identity verified by the link",
    "answered": "answered",
    "refused": "refused, with the reason",
    "extended": "time extended, with the reason",
    "referred": "passed on to the customer whose user asks",
    "person_deleted": "the person under 16 was deleted",
    "not_confirmed": "closed, because nobody confirmed the address",
}


@transaction.atomic
def ask_as_member(user: User, *, kind: Kind, text: str) -> DataRequest:
    """Take a request of somebody who is signed in, and is thereby known."""
    request = _open(kind=kind, address=user.email, name=user.name, text=text, user=user)
    _verified(request, "verified_by_sign_in", user)
    return request


@transaction.atomic
def ask_by_form(*, address: str, name: str, kind: Kind, text: str) -> DataRequest:
    """Take a request of anybody; the answer is the same whether or not we know the address.

    Nothing is looked up before the link is used. A report of a child needs none: it asks for
    nothing that could go to the wrong person.
    """
    request = _open(kind=kind, address=address, name=name, text=text)
    if kind == Kind.CHILD:
        _move(request, State.IN_PROGRESS)
        return request
    return _send_link(request)


@transaction.atomic
def open_from_thread(thread: Thread, *, kind: Kind, by: User) -> DataRequest:
    """Make a request of a letter. Its sender's address can be forged, so a link goes there.

    The 30 days began when the letter came.
    """
    if DataRequest.objects.filter(reference=thread.reference).exists():
        raise WrongState("there already", "opened again")
    request = _request(thread, kind, received_at=thread.opened_at, by=by)
    return _send_link(request, by=by)


@transaction.atomic
def send_link_again(request: DataRequest, *, by: User) -> DataRequest:
    """Send a new link; the one before stops working."""
    return _send_link(_locked(request, UNVERIFIED, "verified"), by=by)


@transaction.atomic
def verify(token: str) -> DataRequest:
    """Take the link: whoever has it reads that address's mail. Works once. Raises LinkInvalid."""
    request = (
        DataRequest.objects.select_for_update(no_key=True)
        .filter(
            token_digest=_token_digest(token),
            token_expires_at__gt=clock.now(),
            state=State.VERIFYING,
        )
        .first()
    )
    if request is None or request.thread is None:
        raise LinkInvalid
    address = letters.person_of(request.thread).address
    known = EmailAddress.objects.filter(email__iexact=address, verified=True).first()
    request.token_digest = request.token_expires_at = None
    return _verified(request, "verified_by_link", known.user if known else None)


def link_is_good(token: str) -> bool:
    """Say whether `verify` would take this link now."""
    return DataRequest.objects.filter(
        token_digest=_token_digest(token),
        token_expires_at__gt=clock.now(),
        state=State.VERIFYING,
    ).exists()


@transaction.atomic
def answer(request: DataRequest, text: str, *, by: User) -> None:
    """Answer, which closes it. Raises IdentityMissing, WrongState."""
    request = _locked(request, OPEN, "answered")
    _require_identity(request)
    _close(request, State.ANSWERED, "answered", text, by)


@transaction.atomic
def refuse(request: DataRequest, text: str, *, by: User) -> None:
    """Refuse with a reason, which closes it. Raises WrongState."""
    _close(_locked(request, OPEN, "refused"), State.REFUSED, "refused", text, by)


@transaction.atomic
def extend(request: DataRequest, text: str, *, by: User) -> None:
    """Take two months more, once and before the time is over, and tell the person why.

    Raises WrongState.
    """
    request = _locked(request, (State.IN_PROGRESS,), "extended")
    if request.due_at <= clock.now():
        raise WrongState("overdue", "extended")
    latest = _months_after(request.received_at, LATEST_MONTHS)
    request.due_at = min(request.due_at + EXTENSION, latest)
    _move(request, State.EXTENDED)
    _step(request, "extended", by)
    _write(request, text, by)


@transaction.atomic
def refer(request: DataRequest, account_id: int, *, by: User) -> None:
    """Pass a request of a customer's end user on to that customer, who decides about the data.

    The customer's owners get a mail with the request, their account a record of it, the person an
    answer that says so. Raises NotFound for an account that is not there, IdentityMissing,
    WrongState.
    """
    request = _locked(request, WITH_US, "passed on")
    _require_identity(request)
    if request.thread is None:
        raise NotFound
    person = letters.person_of(request.thread)
    said = "\n\n".join(one.text for one in letters.letters_of(request.thread) if not one.is_ours)
    with tenant(account_id):
        owners = list(
            Membership.objects.filter(account_id=account_id, role=Role.OWNER).select_related("user")
        )
        if not owners:
            raise NotFound("There is no account with this number, or nobody owns it.")
        Referral.objects.create(
            account_id=account_id, reference=request.reference, kind=request.kind
        )
        for owner in owners:
            outbox.post(
                "privacy/email/referral",
                owner.user.email,
                {"user": owner.user, "person": person, "request": request, "text": said},
                account_id=account_id,
                once=f"referral:{request.reference}:{owner.user_id}",
            )
    _step(request, "referred", by)
    _close(request, State.ANSWERED, "answered", texts.REFERRED, by)


def note_deletion(request: DataRequest, *, by: User) -> None:
    """Write down that whom a report was about is deleted; it stays open to be answered."""
    _step(request, "person_deleted", by)


@transaction.atomic
def close_unconfirmed() -> int:
    """Close what nobody confirmed; return how many."""
    old = clock.now() - UNCONFIRMED
    found = DataRequest.objects.select_for_update(skip_locked=True, no_key=True).filter(
        state__in=UNVERIFIED, received_at__lt=old, token_expires_at__lt=clock.now()
    )
    for request in found:
        request.token_digest = request.token_expires_at = None
        _move(request, State.REFUSED)
        _step(request, "not_confirmed", None)
        if request.thread is not None:
            Thread.objects.filter(pk=request.thread.pk).update(waiting_since=None)
    return len(found)


def remind_staff() -> int:
    """Mail our staff 7, 3 and 1 days before a request is due, and when it is overdue.

    Return how many mails that was.
    """
    posted = 0
    for request in DataRequest.objects.filter(
        state__in=WITH_US, due_at__lte=clock.now() + timedelta(days=REMIND_DAYS[0])
    ):
        left = days_left(request)
        mark = min(days for days in REMIND_DAYS if left <= days or days == REMIND_DAYS[0])
        for person in User.objects.filter(is_staff=True, is_active=True):
            posted += outbox.post(
                "privacy/email/reminder",
                person.email,
                {"user": person, "request": request, "left": left},
                once=f"due:{request.reference}:{request.due_at:%Y%m%d}:{mark}:{person.pk}",
            )
    return posted


def days_left(request: DataRequest) -> int:
    """Return the days until it is due, rounded up; below 1 it is overdue."""
    return -((clock.now() - request.due_at) // timedelta(days=1))


# --- Inside ----------------------------------------------------------------------------------
def _open(
    *, kind: Kind, address: str, name: str, text: str, user: User | None = None
) -> DataRequest:
    thread = letters.receive(
        topic=Topic.PRIVACY,
        address=address,
        name=name,
        subject=Kind(kind).label,
        text=text or "(nothing was added)",
        user=user,
    )
    return _request(thread, kind, received_at=thread.opened_at)


def _request(
    thread: Thread, kind: Kind, *, received_at: datetime, by: User | None = None
) -> DataRequest:
    request = DataRequest.objects.create(
        reference=thread.reference,
        kind=kind,
        state=State.RECEIVED,
        thread=thread,
        user=thread.user,
        received_at=received_at,
        due_at=received_at + DUE,
    )
    _step(request, "received", by)
    return request


def _send_link(request: DataRequest, *, by: User | None = None) -> DataRequest:
    if request.thread is None:
        raise NotFound
    token = secrets.token_urlsafe(32)
    request.token_digest = _token_digest(token)
    request.token_expires_at = clock.now() + LINK_WORKS
    _move(request, State.VERIFYING)
    _step(request, "link_sent", by)
    # Anybody can have this sent to anybody, so it says nothing that the asker could choose.
    outbox.post(
        "privacy/email/link",
        letters.person_of(request.thread).address,
        {"request": request, "link": f"{settings.PUBLIC_URL}/privacy/request/{token}/"},
    )
    return request


def _verified(request: DataRequest, step: str, user: User | None) -> DataRequest:
    request.verified_at = clock.now()
    request.user = user
    _move(request, State.IN_PROGRESS)
    _step(request, step, None)
    return request


def _require_identity(request: DataRequest) -> None:
    if request.verified_at is None and request.kind != Kind.CHILD:
        raise IdentityMissing


def _locked(request: DataRequest, allowed: tuple[State, ...], wanted: str) -> DataRequest:
    """Return the request as it is now, locked; two of our staff may be at it."""
    found = DataRequest.objects.select_for_update(of=("self",), no_key=True).get(pk=request.pk)
    if found.state not in allowed:
        raise WrongState(State(found.state).label, wanted)
    return found


def _close(request: DataRequest, state: State, step: str, text: str, by: User) -> None:
    _move(request, state)
    _step(request, step, by)
    _write(request, text, by)


def _write(request: DataRequest, text: str, by: User) -> None:
    if request.thread is not None:
        letters.answer(request.thread, text, by=by)


def _move(request: DataRequest, state: State) -> None:
    request.state = state
    if state in (State.ANSWERED, State.REFUSED):
        request.closed_at = clock.now()
    request.save()


def _step(request: DataRequest, what: str, by: User | None) -> None:
    if what not in STEPS:
        raise ValueError(f"{what} is not in privacy.requests.services.STEPS")
    RequestStep.objects.create(
        request=request, at=clock.now(), what=what, by_user_id=by.pk if by else None
    )


def _months_after(at: datetime, months: int) -> datetime:
    """Return the same day so many months later, or the last one of a month that is shorter."""
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    return at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1]))


def _token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
