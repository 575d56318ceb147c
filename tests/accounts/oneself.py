"""A person at their own pages: signing in, an authenticator app, what their trail says."""

import re
import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from accounts.models import AuditEvent
from llmcost.tenancy.context import tenant

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a completely new one"
APP = "/account/security/app/"
CODES = "/account/security/recovery-codes/"


def code_of(secret: str, *, steps: int = 0) -> str:
    """What the person's authenticator app shows, `steps` half minutes from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def turn_on_app(client, django_capture_on_commit_callbacks) -> tuple[str, list[str]]:
    """Set the app up as a person would; return its secret and the recovery codes."""
    page = client.get(APP).content.decode()
    secret = re.search(r'id="totp-secret">([A-Z2-7]{32})<', page)[1]
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(APP, {"code": code_of(secret, steps=-1)})
    assert answer["Location"] == CODES
    shown = client.get(CODES).content.decode()
    return secret, re.findall(r"^(?:.*>)?(\d{8})$", shown, re.MULTILINE)


def trail(company) -> list[tuple[str, dict]]:
    with tenant(company.account.pk):
        events = AuditEvent.objects.filter(
            account_id=company.account.pk, action__startswith="member."
        )
        return [(event.action, event.details) for event in events.order_by("pk")]


def enter(email="alice@acme.example", password=PASSWORD) -> tuple[Client, object]:
    client = Client()
    return client, client.post("/login/", {"login": email, "password": password})
