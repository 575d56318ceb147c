"""`manage.py verify_billing`: what was billed against what was used."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing.models import Overage
from billing.plans import PLANS
from billing.stripe import reconcile
from billing.stripe.record import record
from llmcost import clock
from llmcost.tenancy.context import tenant
from tests.billing import objects

START = datetime(2026, 11, 1, tzinfo=UTC)
TEAM = PLANS["team"]
USED = 500


@pytest.fixture
def billed(as_worker, acme, api, at_stripe):
    """Acme has sent 503 calls, 500 of them in October and none included."""
    calls = [call(START - timedelta(hours=1 + number)) for number in range(USED)]
    outside = [call(START), call(START + timedelta(days=9)), call(START - timedelta(days=32))]
    api(acme.key, "POST", "/v1/events", [*calls, *outside])
    record(acme.account.pk, objects.customer())
    at_stripe.put(objects.customer(), objects.card(), objects.subscription(), objects.product())

    def bill(**changes) -> Overage:
        values = {
            "period_start": START - timedelta(days=31), "period_end": START, "plan": "team",
            "included_events": 0, "used_events": USED, "amount": TEAM.overage(USED),
            "stripe_item_id": "ii_1", "created_at": clock.now(),
        } | changes  # fmt: skip
        with tenant(acme.account.pk):
            return Overage.objects.create(account_id=acme.account.pk, **values)

    return bill


def call(at: datetime) -> dict[str, object]:
    return {"model": "gpt-4o", "input_tokens": 1, "output_tokens": 1, "created_at": at.isoformat()}


def invoiced(at_stripe, company, cents: int, period: datetime, number: int = 1) -> None:
    invoice = objects.invoice(number=number)
    invoice["lines"]["data"][0] |= {
        "amount": cents, "metadata": {"events": "3", "period_start": period.isoformat()},
    }  # fmt: skip
    at_stripe.put(invoice)
    reconcile.reconcile(company.account.pk)


def differences(capsys) -> list[str]:
    with pytest.raises(CommandError, match="Accounts looked at: 1") as raised:
        call_command("verify_billing")
    assert raised.value.returncode == 1
    return [line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]


def test_what_agrees_is_said_in_one_line(billed, acme, at_stripe, capsys):
    row = billed()
    invoiced(at_stripe, acme, int(row.amount * 100), row.period_start)

    call_command("verify_billing")

    assert capsys.readouterr().out == "No difference. Accounts looked at: 1.\n"


def test_an_event_that_came_after_the_bill_changes_nothing(billed, acme, api):
    row = billed()
    api(acme.key, "POST", "/v1/events", call(START - timedelta(minutes=7)))
    with tenant(acme.account.pk), connection.cursor() as cursor:
        # A test is one transaction, in which no time passes for the database.
        cursor.execute(
            "UPDATE events_event SET received_at = %s WHERE account_id = %s AND created_at = %s",
            [row.created_at + timedelta(days=1), acme.account.pk, START - timedelta(minutes=7)],
        )
        assert cursor.rowcount == 1

    call_command("verify_billing")


def test_another_count_than_the_events(billed, capsys):
    billed(used_events=700, amount=TEAM.overage(700))

    assert differences(capsys) == ["700 events were billed, 500 are there"]


def test_another_amount_than_the_plan_makes_it(billed, capsys):
    billed(amount=Decimal("1.23"))

    [said] = differences(capsys)
    assert said.startswith("1.23 was billed, the plan team makes it ")


def test_an_overage_of_which_stripe_does_not_know(billed, capsys):
    billed(stripe_item_id="")

    assert differences(capsys) == ["Stripe has not been told of it"]


def test_another_amount_on_the_invoice(billed, acme, at_stripe, capsys):
    row = billed()
    invoiced(at_stripe, acme, 999, row.period_start)

    assert differences(capsys) == [f"{row.amount} was to be billed, the invoices say 9.99"]


def test_a_period_that_was_billed_twice(billed, acme, at_stripe, capsys):
    row = billed()
    for number in (1, 2):
        invoiced(at_stripe, acme, int(row.amount * 100), row.period_start, number)

    assert differences(capsys) == [
        f"{row.amount} was to be billed, the invoices say {row.amount} and {row.amount}"
    ]


def test_a_line_of_an_invoice_that_nothing_explains(billed, acme, at_stripe, capsys):
    invoiced(at_stripe, acme, 500, START)

    assert differences(capsys) == ["5.00 is billed, and no row says what for"]
