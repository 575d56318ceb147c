"""Every act upon a request in every state, of every kind, by everybody: allowed, or nothing happens."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import User
from llmcost.errors import AppError
from llmcost.tenancy.context import tenant
from privacy.correspondence import services as letters
from privacy.models import DataRequest, Kind, Referral, State
from privacy.people import delete_child
from privacy.requests import services
from tests.accounts.staff import employ
from tests.privacy.letters import NOON, link_of, mails

DAY = timedelta(days=1)
UNVERIFIED = {State.RECEIVED, State.VERIFYING}
WITH_US = {State.IN_PROGRESS, State.EXTENDED}
OPEN = UNVERIFIED | WITH_US
# In which states an act is allowed, and what becomes of the request.
ALLOWED: dict[str, tuple[set[State], State | None]] = {
    "link": (UNVERIFIED, State.VERIFYING),
    "verify": ({State.VERIFYING}, State.IN_PROGRESS),
    "answer": (WITH_US, State.ANSWERED),
    "refuse": (OPEN, State.REFUSED),
    "extend": ({State.IN_PROGRESS}, State.EXTENDED),
    "refer": (WITH_US, State.ANSWERED),
    "child": (set(), None),
}
STEPS = {
    "link": ["link_sent"],
    "verify": ["verified_by_link"],
    "answer": ["answered"],
    "refuse": ["refused"],
    "extend": ["extended"],
    "refer": ["referred", "answered"],
    "child": ["person_deleted"],
}


def is_allowed(act: str, state: State, kind: Kind) -> bool:
    if kind == Kind.CHILD and act == "answer":  # a report asks for nothing of the person's own
        return state in OPEN
    if kind == Kind.CHILD and act == "child":
        return state in OPEN
    return state in ALLOWED[act][0]


@pytest.fixture(autouse=True)
def _noon(db, time_machine):
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def sam():
    return User.objects.create_user("sam@support.example", "correct horse", name="S", is_staff=True)


def in_state(state: State, kind: Kind, sam: User) -> tuple[DataRequest, str]:
    """A request that came to a state by the service alone, and its newest link."""
    raw = b"From: nora@example.com\nSubject: %d\n\nPlease." % DataRequest.objects.count()
    thread = letters.receive_mail(raw, topic="privacy")
    request = services.open_from_thread(thread, kind=kind, by=sam)
    token = link_of(mails()[-1]).rstrip("/").rpartition("/")[2]
    if state in WITH_US | {State.ANSWERED}:
        services.verify(token)
    if state == State.EXTENDED:
        services.extend(request, "Later.", by=sam)
    elif state == State.ANSWERED:
        services.answer(request, "Here.", by=sam)
    elif state == State.REFUSED:
        services.refuse(request, "No.", by=sam)
    elif state == State.RECEIVED:  # between two statements of one transaction only
        DataRequest.objects.filter(pk=request.pk).update(state=state)
    request.refresh_from_db()
    assert request.state == state
    mails()
    return request, token


def do(act: str, request: DataRequest, token: str, sam: User, account: int) -> None:
    match act:
        case "link":
            services.send_link_again(request, by=sam)
        case "verify":
            services.verify(token)
        case "refer":
            services.refer(request, account, by=sam)
        case "child":
            User.objects.create_user(f"kid{request.pk}@example.com", "correct horse", name="K")
            delete_child(request, f"kid{request.pk}@example.com", by=sam)
        case _:
            getattr(services, act)(request, "Some words.", by=sam)


def steps_of(request: DataRequest) -> list[str]:
    return list(request.steps.order_by("pk").values_list("what", flat=True))


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", State)
def test_an_act_is_done_where_it_is_allowed_and_changes_nothing_elsewhere(acme, sam, state, kind):
    request, token = in_state(state, kind, sam)
    row = DataRequest.objects.filter(pk=request.pk).values()
    before, steps = row.get(), steps_of(request)

    for act in ALLOWED:
        with taken_back():
            try:
                do(act, request, token, sam, acme.account.pk)
            except AppError:
                done = False
            else:
                done = True

            assert done == is_allowed(act, state, kind), act
            after, told = row.get(), [one.to[0] for one in mails()]
            with tenant(acme.account.pk):
                referred = Referral.objects.filter(account_id=acme.account.pk).exists()
            if not done:
                assert (after, steps_of(request), told, referred) == (before, steps, [], False), act
                continue
            assert after["state"] == (ALLOWED[act][1] or state)
            assert steps_of(request) == [*steps, *STEPS[act]]
            assert (after["due_at"] == before["due_at"]) is (act != "extend")
            assert after["received_at"] == before["received_at"]
            assert (after["closed_at"] is not None) is (act in ("answer", "refuse", "refer"))
            assert ("nora@example.com" in told) is (act not in ("verify", "child"))
            assert ("alice@acme.example" in told) is referred is (act == "refer")


ACTS = {
    "answer": {"text": "x"},
    "refuse": {"text": "x"},
    "extend": {"text": "x"},
    "link": {},
    "refer": {"account": 1},
    "child": {"email": "nora@example.com"},
}


@pytest.mark.parametrize("who", ["a visitor", "a customer", "support", "finance", "no duty"])
def test_nobody_but_a_privacy_officer_acts_upon_a_request(acme, sam, who):
    clients = {"a visitor": Client(), "a customer": acme.client}
    duties = [who] if who in ("support", "finance") else []
    client = clients.get(who) or employ("x@staff.example", "X", *duties).client
    for state in (State.VERIFYING, State.IN_PROGRESS, State.ANSWERED):
        request, _ = in_state(state, Kind.OTHER, sam)
        row = DataRequest.objects.filter(pk=request.pk).values()
        before, steps = row.get(), steps_of(request)

        for act, form in ACTS.items():
            answer = client.post(f"/admin/privacy/datarequest/{request.pk}/acts/{act}/", form)
            assert answer.status_code in (302, 403, 404), (state, act)

        assert (row.get(), steps_of(request)) == (before, steps)
        assert mails() == []


def test_only_the_service_writes_requests():
    root = Path(services.__file__).parents[1]
    writes = re.compile(
        r"(?:DataRequest|RequestStep)\.objects[^\n]*\.(?:create|update|delete|bulk_create)\("
    )
    writing = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        if "migrations" not in file.parts and writes.search(file.read_text())
    }

    assert writing == {"requests/services.py"}


# --- Time ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("received", "due"),
    [
        # Over the day on which clocks are set, forwards and back.
        (datetime(2027, 3, 20, 1, 30, tzinfo=UTC), datetime(2027, 4, 19, 1, 30, tzinfo=UTC)),
        (datetime(2027, 10, 25, 0, 30, tzinfo=UTC), datetime(2027, 11, 24, 0, 30, tzinfo=UTC)),
        # Over a leap day, on one, and over a February without.
        (datetime(2028, 2, 10, 12, tzinfo=UTC), datetime(2028, 3, 11, 12, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2028, 3, 30, 12, tzinfo=UTC)),
        (datetime(2027, 2, 10, 12, tzinfo=UTC), datetime(2027, 3, 12, 12, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 30, 23, 59, tzinfo=UTC)),
    ],
)
def test_it_is_due_thirty_days_after_it_came_to_the_minute(time_machine, sam, received, due):
    time_machine.move_to(received, tick=False)
    request, token = in_state(State.VERIFYING, Kind.ACCESS, sam)
    assert (request.received_at, request.due_at) == (received, due)
    time_machine.shift(timedelta(hours=23))

    services.verify(token)

    request.refresh_from_db()
    assert request.due_at == due
    for left, at in ((30, received), (1, due - timedelta(minutes=1)), (1, due - DAY), (0, due)):
        time_machine.move_to(at, tick=False)
        assert services.days_left(request) == left


@pytest.mark.parametrize(
    ("received", "latest"),
    [
        (datetime(2027, 6, 1, 12, tzinfo=UTC), datetime(2027, 8, 30, 12, tzinfo=UTC)),
        # Three months after it came, where sixty days more would be later than the law allows.
        (datetime(2027, 2, 1, 12, tzinfo=UTC), datetime(2027, 5, 1, 12, tzinfo=UTC)),
        (datetime(2027, 1, 31, 12, tzinfo=UTC), datetime(2027, 4, 30, 12, tzinfo=UTC)),
        (datetime(2027, 11, 30, 12, tzinfo=UTC), datetime(2028, 2, 28, 12, tzinfo=UTC)),
        (datetime(2026, 11, 30, 12, tzinfo=UTC), datetime(2027, 2, 28, 12, tzinfo=UTC)),
    ],
)
def test_two_months_more_are_never_later_than_three_months_after_it_came(
    time_machine, sam, received, latest
):
    time_machine.move_to(received, tick=False)
    request, _ = in_state(State.IN_PROGRESS, Kind.ACCESS, sam)
    time_machine.shift(29 * DAY)  # however late the extension is, it counts from the first day

    services.extend(request, "It is much.", by=sam)

    request.refresh_from_db()
    assert request.due_at == latest
    [told] = mails()
    assert told.to == ["nora@example.com"]
    assert "It is much." in told.body
