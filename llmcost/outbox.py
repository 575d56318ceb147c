"""Mails that must arrive: a row first, sent by the worker, deleted when the server has taken it.

The row is written in the transaction that causes the mail, so that neither a crash nor a mail
server that is away loses it, and nothing is mailed about what was rolled back. A crash between
the server's answer and the deletion sends it twice, with the same Message-ID.
"""

import logging
from datetime import timedelta
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlsplit

import uuid_utils.compat as uuid
from celery import current_app
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from llmcost import clock
from llmcost.models import OutgoingMail

logger = logging.getLogger(__name__)

# Nobody wrote these mails, so no out-of-office reply should answer them.
AUTOMATIC = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
BATCH = 50
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=2)
# Some three days of trying: an address that is refused for so long does not exist.
MOST_ATTEMPTS = 40


def post(
    template: str,
    to: str,
    context: dict[str, Any],
    *,
    account_id: int | None = None,
    once: str | None = None,
    unsubscribe_url: str = "",
) -> bool:
    """Put a mail into the outbox; False if one with the same `once` was put there before.

    `template` names the three files `<template>_subject.txt`, `_message.txt` and `_message.html`.
    `account_id` is whose mail it is, so that erasing the account finds it; None for our own.
    `unsubscribe_url` is where a POST ends such mails: mail programs show a button for it.
    """
    context = context | {"public_url": settings.PUBLIC_URL, "email": to}
    subject = " ".join(render_to_string(f"{template}_subject.txt", context).split())
    _, made = OutgoingMail.objects.get_or_create(
        once=once or uuid.uuid7().hex,
        defaults={
            "account_id": account_id,
            "recipient": to,
            "subject": subject,
            "text": render_to_string(f"{template}_message.txt", context),
            "html": render_to_string(f"{template}_message.html", context),
            "unsubscribe_url": unsubscribe_url,
            "next_try_at": clock.now(),
        },
    )
    if made:
        transaction.on_commit(_wake, robust=True)
    return made


def _wake() -> None:
    """Have it sent soon; the sweeper of each ten seconds finds it if this is lost."""
    current_app.send_task("llmcost.tasks.send_mails", retry=False)


def send_due() -> int:
    """Send what is due; return how many went out. Any number of workers may do so at once."""
    sent = 0
    while sent < BATCH and (outcome := _send_next()) is not None:
        sent += outcome
    return sent


def _send_next() -> bool | None:
    with transaction.atomic():
        mail = (
            OutgoingMail.objects.select_for_update(skip_locked=True)
            .filter(sent_at=None, next_try_at__lte=clock.now())
            .order_by("next_try_at")
            .first()
        )
        if mail is None:
            return None
        try:
            _message(mail).send()
        except (SMTPException, OSError) as error:
            mail.attempts += 1
            logger.warning(
                "mail_not_sent",
                extra={"mail": mail.pk, "attempt": mail.attempts, "error": type(error).__name__},
            )
            if mail.attempts < MOST_ATTEMPTS:
                mail.next_try_at = clock.now() + _pause(mail.attempts)
                mail.save(update_fields=["attempts", "next_try_at"])
                return False
        # `once` stays for as long as the same cause could come again; who and what do not.
        mail.sent_at, mail.recipient = clock.now(), ""
        mail.subject = mail.text = mail.html = mail.unsubscribe_url = ""
        mail.save(
            update_fields=["sent_at", "recipient", "subject", "text", "html", "unsubscribe_url"]
        )
        return True


def _pause(attempts: int) -> timedelta:
    return min(FIRST_RETRY * 2 ** min(attempts - 1, 10), LONGEST_RETRY)


def _message(mail: OutgoingMail) -> EmailMultiAlternatives:
    host = urlsplit(settings.PUBLIC_URL).hostname
    headers = AUTOMATIC | {"Message-ID": f"<{mail.message_id}@{host}>"}
    if mail.unsubscribe_url:  # RFC 8058
        headers["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message = EmailMultiAlternatives(mail.subject, mail.text, to=[mail.recipient], headers=headers)
    message.attach_alternative(mail.html, "text/html")
    return message
