"""Our staff's pages of requests, letters and promises: who may read, who may answer."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import User
from privacy.correspondence import services as letters
from privacy.models import DataRequest, Kind, State, Thread
from privacy.policy import publication
from privacy.requests import services
from tests.accounts.staff import employ
from tests.privacy.letters import link_of, mails

QUEUE, LETTERS, PROMISES = (
    f"/admin/privacy/{name}/" for name in ("datarequest", "thread", "publication")
)


pytestmark = pytest.mark.django_db


@pytest.fixture
def officer(db):
    return employ("pia@privacy.example", "Pia", "privacy officer")


@pytest.fixture
def support(db):
    return employ("sam@support.example", "Sam", "support")


@pytest.fixture
def asked(acme):
    return services.ask_as_member(acme.owner, kind=Kind.OBJECTION, text="CANARY words")


def act(staff, request, name, **form):
    return staff.client.post(f"{QUEUE}{request.pk}/acts/{name}/", form, follow=True)


def test_staff_read_words_that_are_meant_for_them(officer, db):
    services.ask_by_form(address="a@b.example", name="A", kind=Kind.ACCESS, text="x")

    page = officer.client.get(QUEUE).content.decode()

    assert "waiting for them to confirm the address" in page


def test_the_queue_is_sorted_by_the_time_left_and_overdue_is_red(officer, acme):
    late = services.ask_as_member(acme.owner, kind=Kind.OTHER, text="x")
    soon = services.ask_as_member(acme.owner, kind=Kind.OTHER, text="x")
    fresh = services.ask_as_member(acme.owner, kind=Kind.OTHER, text="x")
    now = datetime.now(UTC)
    DataRequest.objects.filter(pk=late.pk).update(due_at=now - timedelta(days=1))
    DataRequest.objects.filter(pk=soon.pk).update(due_at=now + timedelta(days=3))

    page = officer.client.get(QUEUE).content.decode()

    places = [page.index(one.reference) for one in (late, soon, fresh)]
    assert places == sorted(places)
    assert page.count("badge--bad") == 1
    assert page.count("badge--warn") == 1


def test_the_officer_answers_from_the_queue(officer, asked):
    page = officer.client.get(f"{QUEUE}{asked.pk}/?text=objection").content.decode()
    assert "CANARY words" in page
    assert "From today on we no longer do" in page

    done = act(officer, asked, "answer", text="We have stopped.")

    assert "Done: answer and close." in done.content.decode()
    asked.refresh_from_db()
    assert asked.state == State.ANSWERED
    assert "We have stopped." in mails()[-1].body
    assert asked.steps.last().by_user_id == officer.user.pk


def test_the_accounts_page_says_who_of_it_has_asked_and_not_what(officer, asked, acme, globex):
    page = officer.client.get(f"/admin/accounts/account/{acme.account.pk}/")

    text = page.content.decode()
    assert asked.reference in text
    assert "CANARY" not in text
    other = officer.client.get(f"/admin/accounts/account/{globex.account.pk}/")
    assert "Nobody of this account has asked or written." in other.content.decode()


def test_an_empty_answer_comes_back(officer, asked):
    assert act(officer, asked, "answer", text="").status_code == 422


def test_what_the_service_refuses_is_said(officer, acme):
    request = services.ask_by_form(address="n@example.com", name="N", kind="access", text="")

    page = act(officer, request, "answer", text="All your data").content.decode()

    assert "Nobody has confirmed yet" in page
    assert not any("All your data" in one.body for one in mails())


@pytest.mark.parametrize(
    ("name", "form", "state"),
    [
        ("refuse", {"text": "No."}, State.REFUSED),
        ("extend", {"text": "Later."}, State.EXTENDED),
    ],
)
def test_other_acts(officer, asked, name, form, state):
    act(officer, asked, name, **form)

    asked.refresh_from_db()
    assert asked.state == state


def test_referring_and_deleting_a_child(officer, asked, acme, globex):
    act(officer, asked, "refer", account=globex.account.pk)
    asked.refresh_from_db()
    assert asked.state == State.ANSWERED
    report = services.ask_by_form(address="n@example.com", name="N", kind="child", text="")

    act(officer, report, "child", email="alice@acme.example")

    assert not User.objects.filter(email="alice@acme.example").exists()


def test_a_letter_becomes_a_request_whose_sender_is_asked(officer):
    raw = b"From: nora@example.com\nSubject: My data\n\nDelete them."
    thread = letters.receive_mail(raw, topic="privacy")

    page = officer.client.post(f"{LETTERS}{thread.pk}/request/", {"kind": "deletion"}, follow=True)

    request = DataRequest.objects.get()
    assert request.state == State.VERIFYING
    assert request.received_at == thread.opened_at
    assert "Delete them." in page.content.decode()
    assert link_of(mails()[0])
    again = officer.client.post(f"{LETTERS}{thread.pk}/request/", {"kind": "access"}, follow=True)
    assert "cannot be opened again" in again.content.decode()


def test_letters_are_read_and_answered(officer):
    thread = letters.receive(
        topic="contact", address="n@example.com", name="Nora", subject="Hi <b>", text="Hello"
    )

    assert "n@example.com" in officer.client.get(LETTERS).content.decode()
    assert "Hi &lt;b&gt;" in officer.client.get(f"{LETTERS}{thread.pk}/").content.decode()
    officer.client.post(f"{LETTERS}{thread.pk}/answer/", {"text": "Good day."})

    assert "Good day." in mails()[0].body
    assert officer.client.post(f"{LETTERS}{thread.pk}/answer/", {"text": ""}).status_code == 422


def test_support_reads_and_does_not_answer(support, asked):
    thread = Thread.objects.get()

    assert support.client.get(QUEUE).status_code == 200
    page = support.client.get(f"{QUEUE}{asked.pk}/").content.decode()
    assert "CANARY words" in page
    assert "Answer and close" not in page
    assert act(support, asked, "answer", text="x").status_code == 404
    for path in ("answer", "request"):
        assert support.client.post(f"{LETTERS}{thread.pk}/{path}/", {}).status_code == 404
    asked.refresh_from_db()
    assert asked.state == State.IN_PROGRESS


def test_finance_and_customers_find_none_of_it(asked, acme):
    finance = employ("fay@finance.example", "Fay", "finance")

    for path in (QUEUE, f"{QUEUE}{asked.pk}/", LETTERS, PROMISES, f"{PROMISES}record/"):
        assert finance.client.get(path).status_code == 404
        assert acme.client.get(path).status_code == 404
    assert act(finance, asked, "answer", text="x").status_code == 404


def test_the_report_the_record_and_the_use(officer):
    publication.publish()

    report = officer.client.get(PROMISES).content.decode()
    record = officer.client.get(f"{PROMISES}record/").content.decode()
    use = officer.client.get(f"{PROMISES}use/").content.decode()

    assert "row security is forced on every table of a customer" in report
    assert "badge--bad" not in report
    assert "accounts_user.email" in record
    assert "GDPR art. 6(1)(b)" in record
    assert "Nothing is counted yet" in use


def test_the_front_page_says_which_promise_is_broken(officer, asked):
    publication.publish()
    assert "Does not hold" not in officer.client.get("/admin/", follow=True).content.decode()

    DataRequest.objects.update(due_at=datetime.now(UTC) - timedelta(days=1))
    page = officer.client.get("/admin/", follow=True).content.decode()
    finance = employ("fay@finance.example", "Fay", "finance")

    assert "Does not hold (see Promises): requests are answered in time." in page
    assert "Does not hold" not in finance.client.get("/admin/", follow=True).content.decode()


@pytest.mark.parametrize("name", ["nothing", "answer"])
def test_what_is_not_there_is_not_found(officer, asked, name):
    assert officer.client.get(f"{QUEUE}{asked.pk}/acts/{name}/").status_code == 404
    assert officer.client.post(f"{QUEUE}999999/acts/{name}/").status_code == 404
    assert act(officer, asked, "nothing").status_code == 404
