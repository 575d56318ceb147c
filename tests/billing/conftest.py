"""The worker's role, a server that speaks as Stripe does, and signed announcements."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import stripe
from django.db import connections
from django.test import Client

from billing.stripe import client as stripe_client
from llmcost.installation import open_installation
from llmcost.tenancy import roles
from tests import database
from tests.billing.stripe_double import StripeDouble, serving

SECRET = "whsec_tests"
KEY = "sk_test_" + "a" * 24


@contextmanager
def logged_in_as(role: str, blocker: Any) -> Iterator[None]:
    link = connections["default"]
    before = {name: link.settings_dict[name] for name in ("USER", "PASSWORD")}
    password = getattr(
        open_installation(database.DATA), f"{role.removeprefix('llmcost_')}_password"
    )
    with blocker.unblock():
        link.close()
    link.settings_dict |= {"USER": role, "PASSWORD": password}
    yield
    with blocker.unblock():
        link.close()
    link.settings_dict |= before


@pytest.fixture
def as_worker(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Be the worker's role; name it before whatever opens the test's transaction."""
    with logged_in_as(roles.WORKER, django_db_blocker):
        yield


@pytest.fixture
def as_owner(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Be the tables' owner, who may take a trigger away."""
    with logged_in_as(roles.OWNER, django_db_blocker):
        yield


@pytest.fixture
def at_stripe(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeDouble]:
    """What is at Stripe; the client is set up for it as for the real one."""
    with serving(StripeDouble()) as double:
        settings.STRIPE_SECRET_KEY = KEY
        settings.STRIPE_API_HOST = double.url
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_old", SECRET]
        stripe_client.api.cache_clear()
        monkeypatch.setattr(stripe, "api_base", double.url)
        monkeypatch.setattr(stripe, "max_network_retries", 0)
        monkeypatch.setattr(stripe_client, "RETRIES", 0)
        yield double
    stripe_client.api.cache_clear()


_numbers = itertools.count(1)


def event_about(about: dict[str, Any], kind: str, **changes: Any) -> dict[str, Any]:
    """An announcement as Stripe words it."""
    return {
        "id": f"evt_{next(_numbers)}",
        "object": "event",
        "api_version": "2026-05-27.dahlia",
        "type": kind,
        "created": int(time.time()),
        "livemode": False,
        "request": {"id": "req_CANARY", "idempotency_key": "CANARY-key"},
        "data": {"object": about, "previous_attributes": {"name": "CANARY-before"}},
    } | changes


@pytest.fixture
def announce() -> Callable[..., Any]:
    """Send one to our address, signed as Stripe signs."""
    site = Client()

    def send(
        event: dict[str, Any] | bytes, *, secret: str = SECRET, at: int | None = None, **extra: Any
    ) -> Any:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        signature = stripe.WebhookSignature.generate_signature_header(
            body.decode("utf-8", "surrogateescape") if at is None else body.decode(), secret, at
        )
        headers = {"Stripe-Signature": signature} | extra.pop("headers", {})
        return site.post(
            "/billing/webhook/", body, content_type="application/json", headers=headers, **extra
        )

    return send
