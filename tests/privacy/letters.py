"""What tests of letters and requests share."""

import re
from datetime import UTC, datetime, timedelta

from django.core import mail
from django.db import connection

from llmcost import outbox

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
FORM = {"name": "Nora", "email": "nora@example.com", "kind": "access", "text": "CANARY words"}


def fill_in(client, time_machine, path, form, **more):
    """Open a form as a person does, take a while, send it."""
    made = re.search(r'name="made" value="([^"]+)"', client.get(path).content.decode())[1]
    time_machine.shift(timedelta(seconds=30))
    return client.post(path, {**form, "made": made}, **more)


def mails():
    """Send what is waiting; return the mails since the last call."""
    outbox.send_due()
    found, mail.outbox[:] = list(mail.outbox), []
    return found


def link_of(message):
    return re.search(r"http://127\.0\.0\.1:8000(/privacy/request/\S+)", message.body)[1]


def everything_stored():
    """All letters and requests as the database holds them."""
    text = ""
    with connection.cursor() as cursor:
        for table in ("thread", "message", "datarequest", "requeststep"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM privacy_{table} t")
            text += cursor.fetchone()[0]
    return text
