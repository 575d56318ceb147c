"""The admin of our staff: who gets in, what they find and do, and what nobody finds there."""

import re
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client

from accounts.models import Actor, AuditEvent, StaffAct, User
from accounts.support.duties import POWERS, Duty, Power, powers_of
from llmcost.tenancy.context import tenant
from tests.accounts.staff import employ
from tests.calls import CALL

pytestmark = pytest.mark.django_db
ACCOUNTS = "/admin/accounts/account/"
LOG = "/admin/accounts/staffact/"
WHY = {"reason": "The customer asked in ticket 4711."}


@pytest.fixture
def sam(db):
    return employ("sam@support.example", "Sam Ito", "support")


@pytest.fixture
def pat(db):
    return employ("pat@support.example", "Pat Oh", "privacy officer")


def page_of(company) -> str:
    return f"{ACCOUNTS}{company.account.pk}/"


def text(client, address) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def trail(company) -> list[AuditEvent]:
    with tenant(company.account.pk):
        lines = AuditEvent.objects.filter(
            account_id=company.account.pk, action__startswith="support."
        )
        return list(lines.order_by("pk"))


# --- Who gets in -----------------------------------------------------------------------------
def test_staff_land_on_the_accounts(sam, acme):
    assert sam.client.get("/admin/")["Location"] == ACCOUNTS
    assert "Acme" in text(sam.client, ACCOUNTS)


def test_customers_find_no_admin_and_visitors_are_led_to_sign_in(acme):
    for address in ("/admin/", "/admin/login/", ACCOUNTS, page_of(acme), LOG):
        assert acme.client.get(address).status_code == 404
    led = Client().get(ACCOUNTS, follow=True).redirect_chain[-1][0]
    assert led.startswith("/login/?next=/admin/")


@pytest.mark.parametrize(
    "fields",
    [
        {"is_staff": True},
        {"is_staff": True, "is_superuser": True},
        {"is_superuser": True},
    ],
    ids=["staff without a duty", "superuser and staff", "superuser"],
)
def test_without_a_duty_there_is_nothing(acme, fields):
    nobody = employ("max@support.example", "Max")
    User.objects.filter(pk=nobody.user.pk).update(**{"is_staff": False, **fields})

    for address in ("/admin/", ACCOUNTS, page_of(acme), LOG):
        assert nobody.client.get(address).status_code == 404


def test_a_duty_without_being_staff_is_nothing(sam):
    User.objects.filter(pk=sam.user.pk).update(is_staff=False)

    assert sam.client.get(ACCOUNTS).status_code == 404


def test_without_a_second_factor_staff_see_nothing_and_are_led_to_set_one_up(sam, acme):
    Authenticator.objects.filter(user=sam.user).delete()

    for address in ("/admin/", ACCOUNTS, page_of(acme)):
        assert sam.client.get(address)["Location"] == "/account/security/app/"
    refused = sam.client.post(f"{page_of(acme)}acts/note/", WHY)
    assert refused["Location"] == "/account/security/app/"
    assert trail(acme) == []


def test_recovery_codes_alone_are_no_second_factor(sam):
    Authenticator.objects.filter(user=sam.user).update(type=Authenticator.Type.RECOVERY_CODES)

    assert sam.client.get(ACCOUNTS)["Location"] == "/account/security/app/"


def test_a_session_that_has_not_shown_the_second_factor_is_asked_for_it(sam, acme):
    careless = Client()
    careless.force_login(sam.user)

    asked = careless.get(f"{ACCOUNTS}?q=acme")

    assert (
        asked["Location"]
        == "/reauthenticate/code/?next=%2Fadmin%2Faccounts%2Faccount%2F%3Fq%3Dacme"
    )
    assert careless.post(f"{page_of(acme)}look/")["Location"].startswith("/reauthenticate/code/")


# --- Duties ----------------------------------------------------------------------------------
@pytest.mark.parametrize("duty", Duty)
def test_a_duty_has_the_powers_of_the_table(duty):
    somebody = employ("x@support.example", "X", duty).user

    assert powers_of(somebody) == {power for power, holders in POWERS.items() if duty in holders}


@pytest.mark.parametrize("duty", Duty)
def test_the_pages_and_acts_are_those_of_the_duty(duty, acme):
    somebody = employ("x@support.example", "X", duty)
    may = powers_of(somebody.user)

    shown = text(somebody.client, page_of(acme))

    assert (somebody.client.get(LOG).status_code == 200) is (Power.READ_LOG in may)
    assert (f'href="{LOG}"' in shown) is (Power.READ_LOG in may)
    assert ("Revoke a key" in shown) is (Power.REVOKE_KEYS in may)
    assert ("View as customer" in shown) is (Power.LOOK in may)
    refused = somebody.client.post(
        f"{page_of(acme)}acts/key-revocation/", WHY | {"target": acme.key_row.pk}
    )
    assert refused.status_code == (302 if Power.REVOKE_KEYS in may else 404)


def test_the_docs_show_the_table():
    page = (Path(__file__).parents[2] / "docs/support-access.md").read_text()
    rows = [
        f"| {power} |" + "".join(" yes |" if duty in POWERS[power] else " |" for duty in Duty)
        for power in Power
    ]

    assert "\n".join(rows) in page


# --- Finding ---------------------------------------------------------------------------------
@pytest.mark.parametrize("typed", ["acm", "ACME", " Acme ", "alice@acme", "Alice@Acme.Example"])
def test_staff_find_an_account(sam, acme, globex, typed):
    found = text(sam.client, f"{ACCOUNTS}?q={typed}")

    assert page_of(acme) in found
    assert page_of(globex) not in found


def test_staff_find_an_account_by_hint_key_and_number(sam, acme, globex):
    hint = acme.key_row.hint
    for typed in (hint, hint.replace("…", "..."), hint[-4:], acme.key, str(acme.account.pk)):
        found = text(sam.client, f"{ACCOUNTS}?q={typed}")
        assert page_of(acme) in found, typed
        assert page_of(globex) not in found, typed


@pytest.mark.parametrize(
    "typed", ["cme", "%", "_", "nobody", "9" * 30, "llmc_live_", "\\", "a%00b"]
)
def test_what_is_nowhere_is_said_to_be_nowhere(sam, acme, typed):
    assert "Nothing found" in text(sam.client, f"{ACCOUNTS}?q={typed}")


def test_lists_go_on_by_key_and_never_count(sam, django_assert_max_num_queries):
    from tests.conftest import open_company

    for number in range(52):
        open_company(f"Company {number:02}", f"c{number}@example.com")
    with django_assert_max_num_queries(20) as asked:
        first = text(sam.client, ACCOUNTS)
    older = re.search(r'href="(\?before=\d+)"', first)[1]
    second = text(sam.client, ACCOUNTS + older)

    assert not any("count(" in query["sql"].lower() for query in asked.captured_queries)
    assert "Company 51" in first
    assert "Company 02" in first
    assert "Company 01" not in first
    assert "Company 01" in second
    assert "?before=" not in second


@pytest.mark.parametrize("before", ["x", "-1", "9" * 40, "٣"])
def test_a_list_takes_any_place_to_go_on_from(sam, acme, before):
    assert sam.client.get(f"{ACCOUNTS}?before={before}").status_code == 200


# --- The page of an account ------------------------------------------------------------------
def test_the_page_shows_members_projects_hints_and_how_many_calls(sam, acme, globex, api):
    for _ in range(3):
        api(acme.key, "POST", "/v1/events", {**CALL, "feature": "CANARY", "user_id": "CANARY"})
    api(globex.key, "POST", "/v1/events", CALL)

    shown = text(sam.client, page_of(acme))

    for expected in ("Acme", "alice@acme.example", "Owner", "prod", acme.key_row.hint):
        assert expected in shown
    assert re.search(r'<td class="number">3</td>', shown)
    for hidden in ("CANARY", CALL["model"], "USD", "$", acme.key_row.digest, "Globex"):
        assert hidden not in shown, hidden


def test_no_page_of_the_admin_shows_a_call(sam, pat, acme, api):
    api(acme.key, "POST", "/v1/events", {**CALL, "feature": "CANARY", "user_id": "CANARY"})

    for client in (sam.client, pat.client):
        for address in (ACCOUNTS, page_of(acme), LOG):
            answer = client.get(address)
            assert "CANARY" not in answer.content.decode()
    assert sam.client.get("/admin/events/").status_code == 404


@pytest.mark.parametrize("pk", [987_654_321, 2**63, 10**30])
def test_an_account_that_is_not_there(sam, pk):
    assert sam.client.get(f"{ACCOUNTS}{pk}/").status_code == 404
    assert sam.client.post(f"{ACCOUNTS}{pk}/acts/note/", WHY).status_code == 404
    assert sam.client.post(f"{ACCOUNTS}{pk}/look/").status_code in (302, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_is_changed_but_by_an_act(sam, acme, method):
    for address in (ACCOUNTS, page_of(acme)):
        sam.client.generic(method, address, b"name=Evil")
    assert sam.client.get(f"{page_of(acme)}acts/note/").status_code == 404
    assert sam.client.get(f"{page_of(acme)}look/").status_code == 404
    with tenant(acme.account.pk):
        acme.account.refresh_from_db()
    assert acme.account.name == "Acme"


# --- Acts ------------------------------------------------------------------------------------
def test_a_note_stands_in_both_trails(sam, pat, acme):
    done = sam.client.post(f"{page_of(acme)}acts/note/", WHY)

    assert done["Location"] == page_of(acme)
    [line] = trail(acme)
    assert (line.action, line.actor, line.user_id) == (
        "support.noted",
        Actor.SUPPORT,
        sam.user.pk,
    )
    assert line.details == WHY
    [act] = StaffAct.objects.all()
    assert (act.staff_id, act.account_id, act.action, act.reason) == (
        sam.user.pk,
        acme.account.pk,
        "support.noted",
        WHY["reason"],
    )
    assert WHY["reason"] in text(sam.client, page_of(acme))
    assert WHY["reason"] in text(pat.client, LOG)
    assert WHY["reason"] in text(pat.client, f"{LOG}{act.pk}/")


@pytest.mark.parametrize("act", ["note", "key-revocation"])
@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\0b"])
def test_no_act_without_a_reason(sam, acme, act, reason):
    refused = sam.client.post(
        f"{page_of(acme)}acts/{act}/", {"reason": reason, "target": acme.key_row.pk}
    )

    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.content.decode()
    assert trail(acme) == []
    with tenant(acme.account.pk):
        acme.key_row.refresh_from_db()
    assert acme.key_row.revoked_at is None


def test_a_key_is_revoked_and_refused(sam, acme, api):
    done = sam.client.post(
        f"{page_of(acme)}acts/key-revocation/", WHY | {"target": acme.key_row.pk}
    )

    assert done.status_code == 302
    from projects.keys import resolve

    resolve.forget()
    assert api(acme.key, "POST", "/v1/events", CALL).status_code == 401
    [line] = trail(acme)
    assert (line.action, line.subject) == ("support.key_revoked", acme.key_row.hint)
    assert "Revoke a key" not in text(sam.client, page_of(acme))


def test_another_accounts_key_cannot_be_revoked_from_here(sam, acme, globex):
    for target in (globex.key_row.pk, 987_654_321, "x", ""):
        refused = sam.client.post(f"{page_of(acme)}acts/key-revocation/", WHY | {"target": target})
        assert refused.status_code == 422
    with tenant(globex.account.pk):
        globex.key_row.refresh_from_db()
    assert globex.key_row.revoked_at is None


def test_the_verification_mail_is_sent_again(sam, acme, django_capture_on_commit_callbacks):
    address = EmailAddress.objects.get(user=acme.owner)
    assert "verification" not in text(sam.client, page_of(acme))
    EmailAddress.objects.filter(pk=address.pk).update(verified=False)

    with django_capture_on_commit_callbacks(execute=True):
        sam.client.post(f"{page_of(acme)}acts/verification/", WHY | {"target": address.pk})

    [sent] = mail.outbox
    assert sent.to == ["alice@acme.example"]
    assert "/confirm-email/" in sent.body
    [line] = trail(acme)
    assert (line.action, line.member_id) == ("support.verification_sent", acme.owner.pk)


def test_an_act_that_nobody_offers(sam, acme):
    assert sam.client.post(f"{page_of(acme)}acts/delete-all/", WHY).status_code == 404


def test_an_act_needs_the_forms_token(sam, acme):
    careless = Client(enforce_csrf_checks=True)
    careless.cookies = sam.client.cookies

    assert careless.post(f"{page_of(acme)}acts/note/", WHY).status_code == 403
    assert careless.post(f"{page_of(acme)}look/").status_code == 403
    assert trail(acme) == []


def test_the_staff_log_keeps_what_was_written(acme, sam):
    from django.db import ProgrammingError, transaction

    sam.client.post(f"{page_of(acme)}acts/note/", WHY)

    for change in (StaffAct.objects.all().delete, lambda: StaffAct.objects.update(reason="x")):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            change()


def test_staff_who_belong_to_no_account_are_told_so(sam):
    assert sam.client.get("/app/").status_code == 404
