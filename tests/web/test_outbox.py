"""Mails that must arrive: written with their cause, sent once, forgotten."""

from datetime import UTC, datetime, timedelta
from smtplib import SMTPException

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from llmcost import clock, outbox
from llmcost.models import OutgoingMail

TEMPLATE = "account/email/email_confirmation"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONTEXT = {"user": {"name": "Alice"}, "activate_url": "https://example.com/confirm"}


class AwayBackend(BaseEmailBackend):
    """A mail server that takes nothing."""

    def send_messages(self, email_messages):
        raise SMTPException


def post(**more):
    return outbox.post(TEMPLATE, "alice@acme.example", CONTEXT, **more)


def test_a_mail_goes_out_as_text_and_html_and_is_emptied(db):
    post(once="welcome:1")

    assert outbox.send_due() == 1
    [message] = mail.outbox
    assert message.to == ["alice@acme.example"]
    assert "https://example.com/confirm" in message.body
    assert message.alternatives[0].mimetype == "text/html"
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    kept = OutgoingMail.objects.get()
    assert (kept.recipient, kept.subject, kept.text, kept.html) == ("", "", "", "")
    assert outbox.send_due() == 0


def test_the_same_cause_is_mailed_once(db):
    assert [post(once="budget:7"), post(once="budget:7"), post(once="budget:8")] == [
        True, False, True,
    ]  # fmt: skip

    outbox.send_due()

    assert len(mail.outbox) == 2


def test_what_is_rolled_back_is_not_mailed(db):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        post()
        _ = 1 / 0

    assert outbox.send_due() == 0


def test_a_server_that_is_away_delays_the_mail_and_loses_nothing(db, settings, time_machine):
    time_machine.move_to(NOON, tick=False)
    post()
    settings.EMAIL_BACKEND = f"{__name__}.AwayBackend"
    assert outbox.send_due() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    assert outbox.send_due() == 0  # not before its pause is over
    time_machine.shift(outbox.FIRST_RETRY)
    assert outbox.send_due() == 1


def test_an_address_that_is_never_taken_is_given_up(db, settings, time_machine):
    time_machine.move_to(NOON, tick=False)
    post()
    settings.EMAIL_BACKEND = f"{__name__}.AwayBackend"

    for _ in range(outbox.MOST_ATTEMPTS):
        outbox.send_due()
        time_machine.shift(outbox.LONGEST_RETRY)

    assert not OutgoingMail.objects.filter(sent_at=None).exists()
    assert OutgoingMail.objects.get().recipient == ""


def test_marks_are_forgotten_when_their_cause_cannot_come_again(db):
    from llmcost import tasks

    post(once="old")
    outbox.send_due()
    OutgoingMail.objects.update(sent_at=clock.now() - tasks.KEEP_MARKS - timedelta(days=1))
    post(once="waiting")

    tasks.forget_mails()

    assert list(OutgoingMail.objects.values_list("once", flat=True)) == ["waiting"]
