"""Data requests: who asks is known before anything is told, and nothing is forgotten."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import Client

from accounts.models import Account, Membership, Role, User
from llmcost.errors import NotFound
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant
from privacy import tasks
from privacy.correspondence import services as letters
from privacy.errors import IdentityMissing, LinkInvalid, WrongState
from privacy.models import DataRequest, Kind, RequestStep, State
from privacy.people import delete_child
from privacy.purge import PURGE
from privacy.requests import services
from tests.privacy.letters import FORM, NOON, everything_stored, fill_in, link_of, mails

ADDRESS = "/privacy/request/"


@pytest.fixture(autouse=True)
def _noon(db, time_machine):
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def sam():
    """Who answers requests."""
    return User.objects.create_user(
        "sam@support.example", "correct horse battery", name="Sam", is_staff=True
    )


def asked(kind=Kind.ACCESS, address="nora@example.com"):
    return services.ask_by_form(address=address, name="Nora", kind=kind, text="Please.")


def confirmed(**more):
    asked(**more)
    return services.verify(link_of(mails()[-1]).rstrip("/").rpartition("/")[2])


def steps_of(request):
    return list(request.steps.order_by("pk").values_list("what", flat=True))


# --- Asking without an account ---------------------------------------------------------------
def test_from_the_form_to_the_answer(client, time_machine, sam):
    sent = fill_in(client, time_machine, ADDRESS, FORM)
    request = DataRequest.objects.get()
    assert sent["Location"] == "/privacy/request/sent/"
    assert (request.state, request.due_at) == ("verifying", request.received_at + timedelta(30))
    [message] = mails()
    assert message.to == ["nora@example.com"]
    assert "CANARY" not in message.body
    assert "Nora" not in message.body

    opened = client.get(link_of(message))
    request.refresh_from_db()
    assert request.verified_at is None  # whoever follows links, a program say, confirms nothing
    assert b"Yes, I asked" in opened.content
    assert client.post(link_of(message))["Location"] == "/privacy/request/confirmed/"

    request.refresh_from_db()
    assert request.state == "in_progress"
    services.answer(request, "This is all: …", by=sam)
    [reply] = mails()
    assert reply.to == ["nora@example.com"]
    assert f"[LCT-{request.reference}]" in reply.subject
    assert "This is all: …" in reply.body
    request.refresh_from_db()
    assert (request.state, request.closed_at) == ("answered", request.verified_at)
    assert steps_of(request) == ["received", "link_sent", "verified_by_link", "answered"]


def test_a_link_works_once_and_for_a_day(client, time_machine):
    asked()
    link = link_of(mails()[0])
    client.post(link)

    for method in (client.get, client.post):
        answer = method(link)
        assert answer.status_code == 410
        assert b"This link has been used" in answer.content

    asked()
    link = link_of(mails()[0])
    time_machine.shift(timedelta(hours=24))
    assert client.get(link).status_code == client.post(link).status_code == 410


@pytest.mark.parametrize("token", ["x", "x" * 43, "sent-not", "%00"])
def test_a_link_that_was_never_sent_is_refused(client, token):
    assert client.get(f"{ADDRESS}{token}/").status_code in (404, 410)


def test_a_new_link_ends_the_one_before(sam):
    request = asked()
    first = link_of(mails()[0]).rstrip("/").rpartition("/")[2]

    services.send_link_again(request, by=sam)

    with pytest.raises(LinkInvalid):
        services.verify(first)
    services.verify(link_of(mails()[0]).rstrip("/").rpartition("/")[2])


def test_nobody_learns_whether_an_address_is_known(client, acme, time_machine, monkeypatch):
    """Nothing is looked up before the link is used, so both take the same statements."""
    seen = []

    def watch(execute, sql, params, many, context):
        seen[-1].append(" ".join(str(sql).split()))
        return execute(sql, params, many, context)

    answers = []
    for address in ("alice@acme.example", "nobody@acme.example"):
        stranger = Client()
        seen.append([])
        with connection.execute_wrapper(watch):
            sent = fill_in(stranger, time_machine, ADDRESS, FORM | {"email": address})
        shown = stranger.get(sent["Location"]).content
        answers.append((sent.status_code, sent["Location"], shown.replace(b"req_", b"")[:4000]))
    subjects = [message.subject.rpartition(" ")[0] for message in mails()]

    assert answers[0] == answers[1]
    assert len(seen[0]) == len(seen[1])
    assert not any("accounts_user" in sql or "emailaddress" in sql for sql in seen[0])
    assert subjects[0] == subjects[1]


def test_a_link_of_a_known_address_names_the_member(acme):
    request = confirmed(address="Alice@acme.example")

    assert request.user == acme.owner
    assert "verified_by_link" in steps_of(request)


def test_due_is_computed_once_and_does_not_begin_again(sam, time_machine):
    request = asked()
    mails()
    time_machine.shift(timedelta(days=5))
    services.send_link_again(request, by=sam)
    request = services.verify(link_of(mails()[0]).rstrip("/").rpartition("/")[2])

    assert request.due_at == NOON + timedelta(days=30)


# --- Every step has its precondition, in the service ------------------------------------------
def test_nothing_is_told_before_it_is_known_who_asks(sam):
    request = asked()
    mails()

    with pytest.raises(IdentityMissing):
        services.answer(request, "All your data", by=sam)
    with pytest.raises(WrongState):
        services.refer(request, 1, by=sam)
    with pytest.raises(WrongState):
        services.extend(request, "Later", by=sam)

    assert mails() == []
    request.refresh_from_db()
    assert request.state == State.VERIFYING


def test_the_database_itself_refuses_an_answer_without_identity():
    request = asked()

    with pytest.raises(IntegrityError), transaction.atomic():
        DataRequest.objects.filter(pk=request.pk).update(state="answered", closed_at=NOON)


@pytest.mark.parametrize("ended", ["answer", "refuse"])
def test_what_is_closed_stays_closed(sam, ended):
    request = confirmed()
    getattr(services, ended)(request, "Done.", by=sam)

    for act in (services.answer, services.refuse, services.extend):
        with pytest.raises(WrongState):
            act(request, "Again.", by=sam)
    with pytest.raises(WrongState):
        services.refer(request, 1, by=sam)
    with pytest.raises(WrongState):
        services.send_link_again(request, by=sam)


def test_two_months_more_are_taken_once_and_in_time(sam, time_machine):
    request = confirmed()

    services.extend(request, "Because it is much.", by=sam)

    request.refresh_from_db()
    assert request.due_at == NOON + timedelta(days=90)
    assert "Because it is much." in mails()[-1].body
    with pytest.raises(WrongState):
        services.extend(request, "And more.", by=sam)
    services.answer(request, "Here.", by=sam)

    late = confirmed()
    time_machine.shift(timedelta(days=31))
    with pytest.raises(WrongState, match="overdue"):
        services.extend(late, "Sorry.", by=sam)


def test_refusing_needs_no_identity_because_it_tells_nothing(sam):
    services.refuse(asked(), "We cannot tell who you are.", by=sam)

    assert DataRequest.objects.get().state == State.REFUSED


def test_steps_cannot_be_changed_or_deleted():
    asked()

    for statement in (
        "UPDATE privacy_requeststep SET what = 'x'",
        "DELETE FROM privacy_requeststep",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement)
    assert RequestStep.objects.count() == 2


# --- Signed in -------------------------------------------------------------------------------
@pytest.mark.parametrize("role", [role for role in Role if role != Role.OWNER])
def test_every_member_may_ask_about_their_own_data(acme, role):
    member = User.objects.create_user("bob@acme.example", "correct horse battery", name="Bob")
    with tenant(acme.account.pk):
        Membership.objects.create(account=acme.account, user=member, role=role)
    client = Client()
    client.force_login(member)

    sent = client.post("/account/data/requests/", {"kind": "objection", "text": "No more mails."})

    request = DataRequest.objects.get()
    assert sent["Location"] == "/account/data/"
    assert (request.user, request.state) == (member, "in_progress")
    assert steps_of(request) == ["received", "verified_by_sign_in"]
    page = client.get(f"/account/data/requests/{request.reference}/").content.decode()
    assert "No more mails." in page
    assert "identity verified by being signed in" in page
    assert request.reference in client.get("/account/data/").content.decode()
    # A colleague, even the owner, does not see what somebody asks about themselves.
    assert request.reference not in acme.client.get("/account/data/").content.decode()
    assert acme.client.get(f"/account/data/requests/{request.reference}/").status_code == 404


def test_a_closed_account_may_still_ask(acme):
    with tenant(acme.account.pk):
        Account.objects.filter(pk=acme.account.pk).update(
            closed_at=NOON, purge_due_at=NOON + timedelta(days=30)
        )

    sent = acme.client.post("/account/data/requests/", {"kind": "access", "text": ""})

    assert sent.status_code == 302
    assert DataRequest.objects.count() == 1


def test_a_member_cannot_ask_for_a_childs_deletion_as_their_own(acme):
    refused = acme.client.post("/account/data/requests/", {"kind": "child", "text": ""})

    assert refused.status_code == 422
    assert not DataRequest.objects.exists()


def test_the_page_says_what_is_held(acme, api):
    call = {"model": "m", "input_tokens": 1, "output_tokens": 1}
    api(acme.key, "POST", "/v1/events", [call] * 3)

    page = " ".join(acme.client.get("/account/data/").content.decode().split())

    assert '<dt>Events held</dt><dd class="figure__value">3</dd>' in page
    assert '<dt>Prompts held</dt><dd class="figure__value">0</dd>' in page


# --- End users of customers ------------------------------------------------------------------
def test_a_customers_end_user_is_referred_and_the_customer_is_told(acme, globex, sam):
    request = confirmed(kind=Kind.DELETION)
    mails()

    services.refer(request, acme.account.pk, by=sam)

    to_owner, to_person = sorted(mails(), key=lambda one: one.to)
    assert to_owner.to == ["alice@acme.example"]
    assert "nora@example.com" in to_owner.body
    assert "Delete my data" in to_owner.body
    assert "passed your request on" in " ".join(to_person.body.replace("\n", " ").split())
    request.refresh_from_db()
    assert request.state == State.ANSWERED
    assert "referred" in steps_of(request)
    assert request.reference in acme.client.get("/account/data/").content.decode()
    assert request.reference not in globex.client.get("/account/data/").content.decode()


def test_an_account_that_is_not_there_cannot_be_referred_to(sam):
    request = confirmed()

    with pytest.raises(NotFound):
        services.refer(request, 987_654, by=sam)

    request.refresh_from_db()
    assert request.state == State.IN_PROGRESS


# --- Time --------------------------------------------------------------------------------------
def test_staff_is_reminded_7_3_and_1_days_before_and_when_it_is_overdue(sam, time_machine):
    confirmed()
    mails()
    reminded = {}

    for day in range(33):
        time_machine.move_to(NOON + timedelta(days=day, minutes=1), tick=False)
        tasks.tend_requests()
        tasks.tend_requests()
        if found := mails():
            reminded[30 - day] = [one.subject for one in found]

    assert list(reminded) == [7, 3, 1, 0]
    assert [len(subjects) for subjects in reminded.values()] == [1, 1, 1, 1]
    assert "7 days left" in reminded[7][0]
    assert "1 day left" in reminded[1][0]
    assert "overdue" in reminded[0][0]


def test_what_nobody_confirms_is_closed_after_a_week(time_machine):
    request = asked()
    time_machine.shift(timedelta(days=6))
    tasks.tend_requests()
    request.refresh_from_db()
    assert request.state == State.VERIFYING

    time_machine.shift(timedelta(days=2))
    tasks.tend_requests()

    request.refresh_from_db()
    assert request.state == State.REFUSED
    assert steps_of(request)[-1] == "not_confirmed"


# --- Under 16 ----------------------------------------------------------------------------------
def test_a_report_of_a_child_needs_no_link_and_deletes_at_once(client, time_machine, acme, sam):
    form = FORM | {"kind": "child", "text": "alice@acme.example is 12."}
    fill_in(client, time_machine, f"{ADDRESS}?kind=child", form)
    assert mails() == []
    request = DataRequest.objects.get()
    assert request.state == State.IN_PROGRESS

    delete_child(request, " Alice@acme.example ", by=sam)

    assert not User.objects.filter(email="alice@acme.example").exists()
    with tenant(acme.account.pk):
        account = Account.objects.get()
        assert not Membership.objects.exists()
    assert account.closed_at == time_machine_now()
    assert account.purge_due_at == account.closed_at + timedelta(seconds=1)
    assert due.accounts_due(PURGE, account.purge_due_at) == [account.pk]
    assert acme.client.get("/app/").status_code == 302  # signed out with the person
    services.answer(request, "Thank you.", by=sam)
    assert steps_of(request) == ["received", "person_deleted", "answered"]


def time_machine_now():
    from llmcost import clock

    return clock.now()


def test_a_childs_company_with_other_members_stays(acme, sam):
    child = User.objects.create_user("kid@acme.example", "correct horse battery", name="Kid")
    with tenant(acme.account.pk):
        Membership.objects.create(account=acme.account, user=child, role=Role.MEMBER)
    letters.receive(
        topic="contact", address="kid@acme.example", name="Kid", subject="Hi", text="Hi"
    )

    delete_child(asked(kind=Kind.CHILD), "kid@acme.example", by=sam)

    assert letters.threads_of("kid@acme.example") == []
    with tenant(acme.account.pk):
        assert Account.objects.get().closed_at is None
        assert Membership.objects.get().user == acme.owner


@pytest.mark.parametrize("email", ["nobody@example.com", "sam@support.example", ""])
def test_only_somebody_who_is_there_and_none_of_us_is_deleted(sam, email):
    with pytest.raises(NotFound):
        delete_child(asked(kind=Kind.CHILD), email, by=sam)


def test_only_a_report_of_a_child_deletes_somebody(acme, sam):
    with pytest.raises(WrongState):
        delete_child(confirmed(), "alice@acme.example", by=sam)


def test_no_table_holds_a_word_of_it_in_the_open(client, time_machine):
    fill_in(client, time_machine, ADDRESS, FORM)

    stored = everything_stored()

    for word in ("CANARY", "Nora", "nora@example.com"):
        assert word not in stored
