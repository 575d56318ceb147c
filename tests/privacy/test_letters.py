"""Letters to us: kept sealed, answered, found again, forgotten after two years."""

import email.message
import hashlib
import hmac
import io
import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy.correspondence import services
from privacy.correspondence.mail import read_mail
from privacy.errors import NoMail
from privacy.models import Message, Thread, Topic
from privacy.requests import services as requests
from tests.database import REPOSITORY
from tests.privacy.letters import NOON, everything_stored, fill_in, mails

LETTER = {"name": "Nora", "email": "nora@example.com", "subject": "Hello", "text": "CANARY words"}
SECRET = "a secret of the mail service"


@pytest.fixture(autouse=True)
def _noon(db, time_machine):
    time_machine.move_to(NOON, tick=False)


def a_mail(sender="Nora <nora@example.com>", subject="Hello", text="CANARY words", **headers):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "privacy@example.com", subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def receive(message, topic=Topic.PRIVACY):
    return services.receive_mail(bytes(message), topic=topic)


# --- The contact form --------------------------------------------------------------------------
def test_a_letter_is_kept_sealed_and_answered_by_mail(client, time_machine):
    sent = fill_in(client, time_machine, "/contact/", LETTER)

    assert sent["Location"] == "/contact/sent/"
    for word in ("CANARY", "Nora", "nora@example.com", "Hello"):
        assert word not in everything_stored()
    [thread] = services.threads_of("NORA@example.com ")
    assert thread.person == services.Person("nora@example.com", "Nora", "Hello")
    assert [one.text for one in thread.letters] == ["CANARY words"]
    row = Thread.objects.get()
    assert row.waiting_since is not None

    services.answer(row, "Good morning.", by=None)

    [reply] = mails()
    assert reply.to == ["nora@example.com"]
    assert reply.subject == f"Hello [LCT-{row.reference}]"
    row.refresh_from_db()
    assert row.waiting_since is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("email", "x"), ("subject", ""), ("text", ""), ("text", "x" * 10_001)],
)
def test_a_form_that_is_not_complete_comes_back(client, time_machine, field, value):
    refused = fill_in(client, time_machine, "/contact/", LETTER | {field: value})

    assert refused.status_code == 422
    assert not Thread.objects.exists()


def test_a_program_that_fills_in_every_field_is_thanked_and_forgotten(client, time_machine):
    sent = fill_in(client, time_machine, "/contact/", LETTER | {"website": "https://spam.example"})

    assert sent["Location"] == "/contact/sent/"
    assert not Thread.objects.exists()


@pytest.mark.parametrize("seconds", [0, 1, 86_401])
def test_a_form_that_is_sent_too_quickly_or_too_late_comes_back(client, time_machine, seconds):
    page = client.get("/contact/").content.decode()
    made = page.split('name="made" value="')[1].split('"')[0]
    time_machine.shift(timedelta(seconds=seconds))

    assert client.post("/contact/", LETTER | {"made": made}).status_code == 422
    assert client.post("/contact/", LETTER | {"made": "forged"}).status_code == 422
    assert client.post("/contact/", LETTER).status_code == 422
    assert not Thread.objects.exists()


def test_too_many_letters_are_refused(client, time_machine):
    answers = [fill_in(client, time_machine, "/contact/", LETTER).status_code for _ in range(11)]

    assert answers == [302] * 10 + [429]


def test_a_hostile_letter_does_no_harm(client, time_machine):
    hostile = LETTER | {"subject": "x\r\nBcc: all@example.com", "text": "<script>1</script>\x00"}
    fill_in(client, time_machine, "/contact/", hostile)
    thread = Thread.objects.first()
    if thread is None:  # a NUL is refused by the form
        return
    services.answer(thread, "ok", by=None)
    [reply] = mails()
    assert reply.recipients() == ["nora@example.com"]
    assert "\n" not in reply.subject


# --- Mail that comes in ------------------------------------------------------------------------
def test_a_mail_opens_a_thread_and_the_answer_to_ours_finds_it():
    thread = receive(a_mail())
    services.answer(thread, "Which one?", by=None)
    reply = mails()[0]

    answer = receive(a_mail(subject=f"Re: {reply.subject}", text="The second."))

    assert answer == thread
    assert [one.text for one in services.letters_of(thread)] == [
        "CANARY words", "Which one?", "The second.",
    ]  # fmt: skip


def test_a_stranger_who_knows_the_mark_does_not_get_into_the_thread():
    thread = receive(a_mail())

    other = receive(a_mail(sender="eve@example.com", subject=f"[LCT-{thread.reference}]"))

    assert other != thread


def test_the_same_mail_counts_once():
    once = a_mail(Message_ID="<1@example.com>")

    assert receive(once) is not None
    assert receive(once) is None
    assert receive(a_mail(sender="eve@example.com", Message_ID="<1@example.com>")) is not None
    assert Message.objects.count() == 2


@pytest.mark.parametrize("headers", [{"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}])
def test_what_no_person_wrote_is_not_kept(headers):
    assert receive(a_mail(**headers)) is None


def test_who_writes_without_end_is_not_heard_any_more(monkeypatch):
    monkeypatch.setattr(services, "MOST_A_DAY", 3)

    kept = [receive(a_mail(text=str(n), Message_ID=f"<{n}>")) is not None for n in range(5)]

    assert kept == [True, True, True, False, False]


def test_html_becomes_text_and_files_are_left_out():
    message = a_mail()
    message.clear_content()
    message.set_content("<style>p{}</style><p>Hello <b>you</b></p>", subtype="html")
    message.add_attachment(b"CANARY", maintype="image", subtype="png", filename="face.png")

    read = read_mail(bytes(message))

    assert "Hello you" in read.text
    assert "p{}" not in read.text
    assert "(1 attached file was not kept.)" in read.text
    assert "CANARY" not in read.text


@pytest.mark.parametrize(
    "raw", [b"", b"\x00", b"From: nobody", b"Subject: x\n\nhello", b"\xff" * 99]
)
def test_what_names_no_sender_is_no_mail(raw):
    with pytest.raises(NoMail):
        read_mail(raw)


HEADERS = st.sampled_from(
    [b"Subject: ", b"Content-Type: ", b"Content-Transfer-Encoding: ", b"Message-ID: ", b"From: ",
     b"Auto-Submitted: ", b"MIME-Version: ", b"Content-Disposition: "]
)  # fmt: skip
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"=?utf-8?b?////?=", b"=?nonsense?q?=FF?=", b"multipart/mixed; boundary=x", b"base64",
         b"text/plain; charset=nonsense", b"text/html; charset=utf-7", b"quoted-printable",
         b"[LCT-ABCDEFGH]", b"uuencode", b"message/rfc822", b"=?utf-8?q?=00=0A?="]
    ),
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(HEADERS, VALUES), max_size=6), st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_and_can_be_stored(headers, body):
    raw = b"From: nora@example.com\r\n"
    raw += b"".join(name + value + b"\r\n" for name, value in headers) + b"\r\n" + body

    try:
        read = read_mail(raw)
    except NoMail:
        return

    for text in (read.subject, read.text, read.name, read.address):
        assert "\x00" not in text
        text.encode()
    assert read.text


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_garbage_is_read_or_refused(raw):
    try:
        read_mail(raw)
    except NoMail:
        return


def test_the_pipe_takes_a_mail_and_answers_as_a_mail_server_expects(monkeypatch, capsys):
    def pipe(raw):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        call_command("inbound_mail", "--topic", "security")

    pipe(bytes(a_mail()))
    assert f"Kept as {Thread.objects.get(topic='security')}." in capsys.readouterr().out
    with pytest.raises(CommandError) as failed:
        pipe(b"\xff\x00")
    assert failed.value.returncode == os.EX_DATAERR


def test_a_database_that_is_away_has_the_mail_delivered_again():
    done = subprocess.run(
        [sys.executable, "manage.py", "inbound_mail"],
        cwd=REPOSITORY,
        input=bytes(a_mail()),
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "llmcost.settings",
            "APP_DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/none",
        },
        capture_output=True,
        check=False,
    )

    assert done.returncode == os.EX_TEMPFAIL
    assert b"CANARY" not in done.stderr


# --- The webhook -------------------------------------------------------------------------------
def deliver(client, body, at=None, secret=SECRET, **headers):
    at = int(time.time()) if at is None else at
    sign = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"LLMCost-Signature": f"t={at},v1={sign}"} | headers
    return client.post("/v1/inbound-mail", body, content_type="message/rfc822", headers=headers)


def test_a_signed_mail_is_taken_once(client, settings):
    settings.INBOUND_MAIL_SECRET = SECRET
    body = bytes(a_mail())

    assert deliver(client, body).json() == {"kept": True}
    assert deliver(client, body).json() == {"kept": False}
    assert deliver(client, b"garbage").status_code == 422


@pytest.mark.parametrize("late", [-301, 301])
def test_what_is_not_signed_just_now_is_refused(client, settings, late):
    settings.INBOUND_MAIL_SECRET = SECRET
    body = bytes(a_mail())

    answers = [
        deliver(client, body, at=int(time.time()) + late),
        deliver(client, body, secret="another"),
        deliver(client, body, **{"LLMCost-Signature": ""}),
        deliver(client, body, **{"LLMCost-Signature": "t=٣,v1=é"}),
    ]

    assert [one.status_code for one in answers] == [401] * 4
    assert answers[0].json()["error"]["code"] == "signature_invalid"
    assert not Thread.objects.exists()


def test_without_a_secret_there_is_no_such_address(client):
    assert deliver(client, bytes(a_mail()), secret="").status_code == 404


def test_a_mail_that_is_too_large_is_refused(client, settings, monkeypatch):
    settings.INBOUND_MAIL_SECRET = SECRET
    monkeypatch.setattr("privacy.api.MAX_BYTES", 100)

    assert deliver(client, b"x" * 101).status_code == 413


# --- Exported, erased, forgotten ---------------------------------------------------------------
def test_letters_are_exported_and_erased_with_their_person():
    receive(a_mail())
    receive(a_mail(sender="eve@example.com"))
    request = requests.ask_by_form(
        address="nora@example.com", name="Nora", kind="access", text="CANARY"
    )

    assert [one.person.name for one in services.threads_of("nora@example.com")] == ["Nora", "Nora"]
    assert services.erase_threads_of("nora@example.com") == 2
    assert services.erase_threads_of("nora@example.com") == 0

    assert services.threads_of("nora@example.com") == []
    assert len(services.threads_of("eve@example.com")) == 1
    request.refresh_from_db()
    assert request.thread is None  # that there was a request stays, by whom does not


def test_letters_are_forgotten_two_years_after_the_last_one(time_machine):
    thread = receive(a_mail(Message_ID="<1>"))
    time_machine.shift(timedelta(days=600))
    services.answer(thread, "Late.", by=None)
    time_machine.shift(timedelta(days=729))
    services.forget_old()
    assert Thread.objects.exists()

    time_machine.shift(timedelta(days=2))
    services.forget_old()

    assert not Thread.objects.exists()
    assert not Message.objects.exists()


def test_letters_of_an_open_request_are_not_forgotten(time_machine, acme):
    requests.ask_as_member(acme.owner, kind="objection", text="x")
    time_machine.shift(timedelta(days=800))

    services.forget_old()

    assert Thread.objects.exists()


def test_a_letter_is_found_after_the_pepper_was_changed(settings):
    receive(a_mail())

    settings.KEY_PEPPERS = [*settings.KEY_PEPPERS, "a newer one"]

    assert len(services.threads_of("nora@example.com")) == 1
    assert services.erase_threads_of("nora@example.com") == 1
