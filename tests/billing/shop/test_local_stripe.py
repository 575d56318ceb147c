"""The Stripe of somebody's own machine: started where it should be, and it forgets nothing."""

import socket

import pytest
import stripe

from billing.plans import PAID, PLANS, TEAM, cents
from billing.stripe import checkout
from llmcost.installation import local_stripe_url
from llmcost.up import local_stripe as program
from tests.billing.shop.conftest import LocalStripe

ELSEWHERE = ("STRIPE_SECRET_KEY", "PUBLIC_URL", "LOCAL_STRIPE", "DEPLOYMENT")


class Recorded:
    """A supervisor that only notes what it is asked to run."""

    def python(self, *arguments, **variables):
        return arguments, variables


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in ELSEWHERE:
        monkeypatch.delenv(name, raising=False)


def test_it_has_the_same_port_from_start_to_start_and_settings_know_it(tmp_path):
    for _ in range(2):
        program.program(Recorded(), tmp_path, 8000)
        ports = {(tmp_path / "stripe.port").read_text().strip()}

    assert local_stripe_url(tmp_path) == f"http://127.0.0.1:{ports.pop()}"


def test_a_port_that_was_taken_meanwhile_is_left(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        (tmp_path / "stripe.port").write_text(f"{taken}\n")

        program.program(Recorded(), tmp_path, 8000)

    assert local_stripe_url(tmp_path) not in ("", f"http://127.0.0.1:{taken}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_SECRET_KEY", "sk_test_real"),
        ("PUBLIC_URL", "https://costs.example"),
        ("LOCAL_STRIPE", "off"),
        ("DEPLOYMENT", "self-hosted"),
    ],
)
def test_it_is_for_ones_own_machine_only(tmp_path, monkeypatch, name, value):
    program.program(Recorded(), tmp_path, 8000)
    monkeypatch.setenv(name, value)
    supervisor = Recorded()

    assert program.program(supervisor, tmp_path, 8000) is None
    assert local_stripe_url(tmp_path) == ""


def test_its_state_survives_its_being_killed(tmp_path, local_stripe, settings, monkeypatch):
    first = LocalStripe("--state", str(tmp_path / "state"))
    monkeypatch.setattr(stripe, "api_base", first.url)
    stripe.api_key = settings.STRIPE_SECRET_KEY
    made = stripe.Customer.create(name="Acme", idempotency_key="once")
    first.process.kill()
    first.process.wait()

    second = LocalStripe("--state", str(tmp_path / "state"))
    monkeypatch.setattr(stripe, "api_base", second.url)
    found = stripe.Customer.retrieve(made.id)
    again = stripe.Customer.create(name="Acme", idempotency_key="once")
    second.process.terminate()
    second.process.wait()

    assert found.name == "Acme"
    assert again.id == made.id


# --- The price list --------------------------------------------------------------------------
def test_prices_at_stripe_are_those_of_the_list_and_made_once(local_stripe):
    first = [checkout.price_of(plan) for plan in PAID]

    again = [checkout.price_of(plan) for plan in PAID]

    prices = [stripe.Price.retrieve(one) for one in first]
    assert first == again
    assert [one.unit_amount for one in prices] == [cents(plan.monthly_usd) for plan in PAID]
    assert [one.lookup_key for one in prices] == [plan.lookup_key for plan in PAID]


@pytest.mark.parametrize("plan", PLANS.values(), ids=lambda plan: plan.code)
def test_each_plan_stands_on_the_landing_page(client, db, plan):
    page = client.get("/").content.decode()

    assert f"<h3>{plan.name}</h3>" in page
    assert f"${plan.monthly_usd:,.0f} <small>" in page


@pytest.mark.parametrize(
    ("beyond", "costs"), [(-1, "0.00"), (0, "0.00"), (166, "0.00"), (167, "0.01"), (10_000, "0.30")]
)
def test_overage_is_by_the_event_and_to_the_cent(beyond, costs):
    assert f"{TEAM.overage(beyond):.2f}" == costs
