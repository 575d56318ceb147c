"""The Stripe that `make up` runs, and a customer who does what a browser would."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts.models import Account, AuditEvent
from billing.models import BillingAccount
from billing.stripe import client as stripe_client
from llmcost.tenancy.context import tenant
from tests.conftest import open_company
from tests.up.site import REPOSITORY, free_port

PAYS, DECLINED, FAILS_LATER = "4242424242424242", "4000000000000002", "4000000000000341"
ASKS_ONCE, ASKS_ALWAYS = "4000002500003155", "4000002760003184"
PASSWORD = "correct horse battery"
ADDRESS = {
    "name": "Acme",
    "line1": "1 Main Street",
    "line2": "",
    "postal_code": "10115",
    "city": "Berlin",
    "state": "",
    "country": "DE",
    "tax_id": "",
}


class LocalStripe:
    """The process, and what only a browser or the passing of time does."""

    def __init__(self, *options: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        self.process = subprocess.Popen(
            [sys.executable, "devtools/localstripe", "--port", port, *options], cwd=REPOSITORY
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, "the local Stripe does not start"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/js.stripe.com/v3/").status_code == 200
        except httpx.TransportError:
            return False

    def confirm_card(self, client_secret: str, number: str, *, agree: bool = True) -> Any:
        """What Stripe's script does with a card: True once it is set up, else the error."""
        intent = client_secret.split("_secret_", maxsplit=1)[0]
        card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
        method = {"payment_method_data": {"type": "card", "card": card}}
        answer = self._as_script(f"setup_intents/{intent}/confirm", client_secret, **method)
        if answer.get("status") == "requires_action":
            act = "confirm" if agree else "cancel"
            answer = self._as_script(f"setup_intents/{intent}/{act}", client_secret)
        return answer.get("status") == "succeeded" or answer

    def answer_bank(self, client_secret: str, *, agree: bool) -> None:
        """What the holder says to 3-D Secure."""
        intent = client_secret.split("_secret_", maxsplit=1)[0]
        path = f"payment_intents/{intent}/_authenticate?success={str(agree).lower()}"
        self._as_script(path, client_secret)

    def renew(self, subscription: str) -> None:
        """End a subscription's month now."""
        httpx.post(f"{self.url}/_config/renew/{subscription}").raise_for_status()

    def _as_script(self, path: str, client_secret: str, **data: Any) -> Any:
        body = {"key": "pk_test_browser", "client_secret": client_secret, **data}
        return httpx.post(f"{self.url}/v1/{path}", content=json.dumps(body)).json()


@pytest.fixture(scope="session")
def _process() -> Iterator[LocalStripe]:
    local = LocalStripe()
    yield local
    local.process.terminate()
    local.process.wait()


@pytest.fixture
def local_stripe(_process: LocalStripe, settings: Any) -> Iterator[LocalStripe]:
    settings.STRIPE_SECRET_KEY = "sk_test_" + "a" * 24
    settings.STRIPE_PUBLISHABLE_KEY = "pk_test_" + "a" * 24
    settings.STRIPE_API_HOST = _process.url
    stripe_client.api.cache_clear()
    yield _process
    stripe_client.api.cache_clear()


class Buyer:
    """A company's owner at the billing pages."""

    def __init__(self, company: SimpleNamespace, local: LocalStripe) -> None:
        self.company, self.local = company, local
        self.account: Account = company.account
        self.client = Client()
        self.client.post("/login/", {"login": company.owner.email, "password": PASSWORD})

    def enter_card(self, number: str, *, agree: bool = True) -> str:
        """Have Stripe take a card; return the agreement's id whether or not there is one."""
        answer = self.client.post("/account/billing/card/setup/")
        secret = answer.json()["client_secret"]
        self.local.confirm_card(secret, number, agree=agree)
        return secret.split("_secret_")[0]

    def buy(self, plan: str = "team", number: str = PAYS, **changes: str) -> Any:
        """Fill the purchase page."""
        form = {**ADDRESS, "setup_intent": self.enter_card(number), **changes}
        return self.client.post(f"/account/billing/plans/{plan}/", form)

    def change(self, plan: str, *, quote: str | None = None) -> Any:
        """Look at a change and take it."""
        if quote is None:
            quote = self.look(f"plans/{plan}/").context["quote"]
        return self.client.post(f"/account/billing/plans/{plan}/", {"quote": quote})

    def look(self, path: str = "") -> Any:
        return self.client.get(f"/account/billing/{path}")

    def post(self, path: str, **form: str) -> Any:
        return self.client.post(f"/account/billing/{path}", form)

    @property
    def billing(self) -> BillingAccount:
        with tenant(self.account.pk):
            return BillingAccount.objects.get(account_id=self.account.pk)

    @property
    def acts(self) -> list[str]:
        """What the audit trail says of billing, oldest first."""
        with tenant(self.account.pk):
            found = AuditEvent.objects.filter(account_id=self.account.pk, action__startswith="bill")
            return list(found.order_by("pk").values_list("action", flat=True))

    def fresh_account(self) -> Account:
        with tenant(self.account.pk):
            return Account.objects.get(pk=self.account.pk)


@pytest.fixture
def buyer(db: None, local_stripe: LocalStripe) -> Buyer:
    return Buyer(open_company("Acme", "alice@acme.example"), local_stripe)


@pytest.fixture
def subscriber(buyer: Buyer) -> Buyer:
    """Who has bought Team with a card that pays."""
    assert buyer.buy().status_code == 302
    return buyer


@pytest.fixture
def words() -> Callable[[Any], list[str]]:
    """The messages that the page after an answer shows."""

    def read(answer: Any) -> list[str]:
        from django.contrib.messages import get_messages

        return [str(one) for one in get_messages(answer.wsgi_request)]

    return read
