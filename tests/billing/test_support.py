"""What our staff sees of how an account pays, and does about it."""

from datetime import timedelta

import pytest
from django.db import ProgrammingError, connection, transaction

from accounts.models import AuditEvent
from billing.models import BillingAccount, Status
from llmcost import clock
from llmcost.tenancy.context import support_staff, tenant
from tests.accounts.staff import employ

pytestmark = pytest.mark.django_db
WHY = {"reason": "Asked for in ticket 4711."}


@pytest.fixture
def fay(db):
    return employ("fay@support.example", "Fay Ng", "finance").client


def stands(company, **how):
    with tenant(company.account.pk):
        BillingAccount.objects.update_or_create(account_id=company.account.pk, defaults=how)


def standing(company) -> BillingAccount:
    with tenant(company.account.pk):
        return BillingAccount.objects.get(account_id=company.account.pk)


def page_of(company) -> str:
    return f"/admin/accounts/account/{company.account.pk}/"


def test_staff_find_an_account_by_its_stripe_customer(fay, acme, globex):
    stands(acme, stripe_customer_id="cus_Acme1")

    found = fay.get("/admin/accounts/account/?q=cus_Acme1").content.decode()

    assert page_of(acme) in found
    assert page_of(globex) not in found


def test_staff_see_the_plan_and_neither_card_nor_address(fay, acme):
    stands(
        acme,
        plan="team",
        status=Status.ACTIVE,
        stripe_customer_id="cus_Acme1",
        card_last4="4242",
        billing_address={"line1": "CANARY Street"},
    )

    shown = fay.get(page_of(acme)).content.decode()

    assert "cus_Acme1" in shown
    assert "Active" in shown
    assert "CANARY" not in shown
    assert "4242" not in shown
    for column in ("card_last4", "billing_address", "stripe_subscription_id"):
        with support_staff(), connection.cursor() as cursor:
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                cursor.execute(f"SELECT {column} FROM billing_account")


def test_a_privacy_officer_sees_no_plan_and_changes_none(acme):
    stands(acme, trial_until=clock.now(), stripe_customer_id="cus_Acme1")
    officer = employ("pat@support.example", "Pat", "privacy officer").client

    assert "cus_Acme1" not in officer.get(page_of(acme)).content.decode()
    refused = officer.post(f"{page_of(acme)}acts/trial/", WHY | {"target": "7"})
    assert refused.status_code == 404


@pytest.mark.parametrize("ago", [timedelta(days=-3), timedelta(days=3)], ids=["runs", "is over"])
def test_a_trial_is_extended_from_its_end_or_from_today(fay, acme, ago):
    now = clock.now()
    stands(acme, trial_until=now - ago)

    done = fay.post(f"{page_of(acme)}acts/trial/", WHY | {"target": "14"})

    assert done.status_code == 302
    until = standing(acme).trial_until
    expected = max(now - ago, now) + timedelta(days=14)
    assert expected <= until <= expected + timedelta(minutes=1)
    with tenant(acme.account.pk):
        [line] = AuditEvent.objects.filter(action="support.trial_extended")
    assert (line.actor, line.details) == ("support", WHY)


@pytest.mark.parametrize(
    "how",
    [{}, {"status": Status.ACTIVE, "plan": "team"}],
    ids=["had none", "has bought"],
)
def test_there_is_no_trial_to_extend(fay, acme, how):
    stands(acme, **how)

    refused = fay.post(f"{page_of(acme)}acts/trial/", WHY | {"target": "14"})

    assert refused.status_code == 422
    assert standing(acme).trial_until is None


def test_without_a_subscription_there_is_nothing_to_cancel(fay, acme):
    assert "Cancel the subscription" not in fay.get(page_of(acme)).content.decode()
    refused = fay.post(f"{page_of(acme)}acts/cancellation/", WHY | {"target": "period"})
    assert refused.status_code == 422


def test_while_stripe_cannot_be_asked_nothing_is_half_done(fay, acme):
    stands(acme, plan="team", status=Status.ACTIVE, stripe_subscription_id="sub_1")

    answer = fay.post(f"{page_of(acme)}acts/cancellation/", WHY | {"target": "period"}, follow=True)

    assert "banner--bad" in answer.content.decode()
    assert not standing(acme).cancel_at_period_end
    with tenant(acme.account.pk):
        assert not AuditEvent.objects.filter(action__startswith="support.").exists()
