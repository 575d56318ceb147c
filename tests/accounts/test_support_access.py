"""Support access: the customer lets staff look, the database asks whether it did, and both see it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from accounts.models import Actor, AuditEvent, StaffAct, SupportGrant, User
from accounts.support import grants
from accounts.tasks import note_expired_grants
from llmcost import clock
from llmcost.tenancy.context import support_staff, tenant
from llmcost.tenancy.grants import STAFF_READS_UNDER_GRANT
from tests.accounts.staff import employ
from tests.calls import CALL
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
PAGE = "/account/security/support/"
GRANT = {"duration": "1h", "reason": "Ticket 4711"}


@pytest.fixture
def sam(db):
    """A member of our staff who supports customers, signed in with a second factor."""
    return employ("sam@support.example", "Sam Ito", "support")


@pytest.fixture
def calls(acme, globex, api):
    """One call of each, with names that only the customer may see."""
    for company in (acme, globex):
        sent = {**CALL, "feature": "CANARY", "user_id": "CANARY"}
        assert api(company.key, "POST", "/v1/events", sent).status_code == 200


def trail(company) -> list[tuple[str, str, str]]:
    with tenant(company.account.pk):
        lines = AuditEvent.objects.filter(
            account_id=company.account.pk, action__startswith="support."
        )
        return [(line.action, line.actor, line.subject) for line in lines.order_by("pk")]


def seen_by_staff(account_id: int) -> dict[str, int]:
    """How many rows of each table of calls staff see inside an account's context."""
    with support_staff(), tenant(account_id), connection.cursor() as cursor:
        found = {}
        for table in sorted(STAFF_READS_UNDER_GRANT):
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = cursor.fetchone()[0]
        return found


def grant(company, **changes):
    with tenant(company.account.pk):
        made = grants.grant_access(
            company.account, duration="1h", reason="Ticket 4711", by=company.owner
        )
        SupportGrant.objects.filter(account_id=company.account.pk, pk=made.pk).update(**changes)


NOTHING = dict.fromkeys(STAFF_READS_UNDER_GRANT, 0)


# --- The database refuses --------------------------------------------------------------------
def test_without_a_grant_staff_see_no_row_even_inside_the_account(acme, calls):
    assert seen_by_staff(acme.account.pk) == NOTHING


def test_under_a_grant_staff_see_that_account_and_no_other(acme, globex, calls):
    grant(acme)

    seen = seen_by_staff(acme.account.pk)

    assert (seen["events_event"], seen["events_delta"]) == (1, 1)
    assert seen_by_staff(globex.account.pk) == NOTHING


def test_a_grant_without_the_accounts_context_shows_nothing(acme, calls):
    grant(acme)

    with support_staff(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events_event")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    "changes",
    [
        {"ended_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {
            "granted_at": datetime(2026, 1, 1, tzinfo=UTC),
            "ends_at": datetime(2026, 1, 2, tzinfo=UTC),
        },
    ],
    ids=["ended", "expired"],
)
def test_a_grant_that_is_over_opens_nothing(acme, calls, changes):
    grant(acme, **changes)

    assert seen_by_staff(acme.account.pk) == NOTHING


def test_ending_closes_a_transaction_that_is_under_way(acme, calls):
    grant(acme)
    count = "SELECT count(*) FROM events_event WHERE account_id = %s"

    with support_staff(), tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute(count, [acme.account.pk])
        assert cursor.fetchone() == (1,)
        cursor.execute("SET LOCAL ROLE NONE")
        grants.end_access(acme.account, by=acme.owner)
        cursor.execute("SET LOCAL ROLE llmcost_staff")
        cursor.execute(count, [acme.account.pk])
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO accounts_supportgrant (account_id, reason, ends_at) VALUES ({0}, 'x', 'infinity')",
        "UPDATE accounts_supportgrant SET ends_at = 'infinity', ended_at = NULL",
        "DELETE FROM accounts_supportgrant",
        "UPDATE events_event SET model = 'x' WHERE account_id = {0}",
        "DELETE FROM events_event WHERE account_id = {0}",
        "INSERT INTO accounts_auditevent (account_id, actor, action) VALUES ({0}, 'x', 'x')",
        "CREATE OR REPLACE FUNCTION llmcost_granted_account() RETURNS bigint LANGUAGE sql RETURN {0}",
        "ALTER TABLE events_event DISABLE ROW LEVEL SECURITY",
        "DROP POLICY under_grant ON events_event",
        "SET LOCAL row_security = off; SELECT count(*) FROM events_event",
    ],
)
def test_staff_cannot_help_themselves(acme, calls, statement):
    with support_staff(), tenant(acme.account.pk), connection.cursor() as cursor:
        with pytest.raises(ProgrammingError), transaction.atomic():
            cursor.execute(statement.format(acme.account.pk))

    assert seen_by_staff(acme.account.pk) == NOTHING


def test_the_grant_costs_a_question_and_not_one_for_each_row(acme, calls):
    grant(acme)

    with support_staff(), tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN SELECT count(*) FROM events_quarter WHERE account_id = %s",
            [acme.account.pk],
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "One-Time Filter" in plan, plan


# --- The customer's page ---------------------------------------------------------------------
def test_the_owner_grants_and_ends_and_sees_it(acme):
    owner = sign_in(acme.owner)

    assert "Nobody has looked" in owner.get(PAGE).content.decode()
    assert owner.post(PAGE, GRANT).status_code == 302
    shown = owner.get(PAGE).content.decode()
    assert "Ticket 4711" in shown
    assert "End it now" in shown
    assert owner.post(f"{PAGE}end/").status_code == 302
    shown = owner.get(PAGE).content.decode()

    assert "End it now" not in shown
    assert trail(acme) == [
        ("support.granted", "member", "1 hour"),
        ("support.ended", "member", ""),
    ]


@pytest.mark.parametrize(
    ("duration", "length"),
    [("1h", timedelta(hours=1)), ("24h", timedelta(hours=24)), ("7d", timedelta(days=7))],
)
def test_a_grant_lasts_as_long_as_was_chosen(acme, duration, length):
    before = clock.now()

    sign_in(acme.owner).post(PAGE, {**GRANT, "duration": duration})

    with tenant(acme.account.pk):
        made = grants.grant_in_force(acme.account.pk)
    assert before + length <= made.ends_at <= clock.now() + length


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"duration": "100y"}, "Choose one of the times"),
        ({"duration": ""}, "required"),
        ({"reason": " "}, "Say in a few words"),
        ({"reason": "x" * 201}, "at most 200"),
        ({"reason": "a\0b"}, "Null characters"),
    ],
)
def test_a_form_that_is_not_right_grants_nothing(acme, changes, said):
    answer = sign_in(acme.owner).post(PAGE, GRANT | changes)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert trail(acme) == []


@pytest.mark.parametrize("role", ["admin", "member", "billing", "read_only"])
def test_only_the_owner_lets_support_in(acme, role):
    with tenant(acme.account.pk):
        acme.owner.memberships.filter(account_id=acme.account.pk).update(role=role)
    somebody = sign_in(acme.owner)

    assert somebody.get(PAGE).status_code == 403
    assert somebody.post(PAGE, GRANT).status_code == 403
    assert somebody.post(f"{PAGE}end/").status_code == 403
    assert trail(acme) == []


def test_granting_asks_for_the_password_again_and_ending_does_not(acme):
    grant(acme)
    long_signed_in = Client()
    long_signed_in.force_login(acme.owner)

    asked = long_signed_in.post(PAGE, GRANT)
    ended = long_signed_in.post(f"{PAGE}end/")

    assert asked["Location"].startswith("/reauthenticate/")
    assert ended["Location"] == PAGE
    assert [action for action, _, _ in trail(acme)] == ["support.granted", "support.ended"]


def test_what_runs_out_is_noted_once_with_the_time_at_which_it_ended(acme, globex):
    grant(
        acme,
        granted_at=datetime(2026, 1, 1, tzinfo=UTC),
        ends_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    grant(globex)
    from llmcost.models import DueWork

    DueWork.objects.filter(kind=grants.EXPIRY).update(due_at=clock.now())

    note_expired_grants()
    note_expired_grants()

    assert [action for action, _, _ in trail(acme)] == ["support.granted", "support.expired"]
    assert trail(acme)[-1][1] == Actor.SYSTEM
    assert [action for action, _, _ in trail(globex)] == ["support.granted"]
    with tenant(acme.account.pk):
        assert SupportGrant.objects.get(account_id=acme.account.pk).ended_at == datetime(
            2026, 1, 2, tzinfo=UTC
        )


# --- The look --------------------------------------------------------------------------------
def look(sam, company):
    return sam.client.post(f"/admin/accounts/account/{company.account.pk}/look/")


def test_staff_look_under_a_grant_and_the_customer_sees_each_look(acme, calls, sam):
    grant(acme)

    assert look(sam, acme)["Location"] == "/app/"
    page = sam.client.get("/app/prod/?range=24h&filter.user_id=CANARY").content.decode()

    assert "CANARY" in page
    assert "You look at the pages of" in page
    assert trail(acme)[1:] == [("support.looked", "support", "/app/prod/")]
    shown = sign_in(acme.owner).get(PAGE).content.decode()
    assert "Sam of our support" in shown
    assert "Ito" not in shown
    assert "sam@support.example" not in shown
    assert [(act.staff_id, act.action) for act in StaffAct.objects.all()] == [
        (sam.user.pk, "support.looked")
    ]


def test_without_a_grant_there_is_no_look(acme, calls, sam):
    answer = look(sam, acme)

    assert answer["Location"] == f"/admin/accounts/account/{acme.account.pk}/"
    assert sam.client.get("/app/").status_code == 404  # Sam belongs to no account
    assert trail(acme) == []


def test_the_look_ends_with_the_grant(acme, calls, sam):
    grant(acme)
    look(sam, acme)
    assert sam.client.get("/app/prod/").status_code in (200, 302)
    sign_in(acme.owner).post(f"{PAGE}end/")

    after = sam.client.get("/app/prod/")

    assert after["Location"] == f"/admin/accounts/account/{acme.account.pk}/"
    assert "grant has ended" in sam.client.get(after["Location"]).content.decode()
    assert sam.client.get("/app/prod/").status_code == 404


def test_staff_leave_the_customers_pages(acme, calls, sam):
    grant(acme)
    look(sam, acme)

    answer = sam.client.post("/admin/accounts/account/look/end/")

    assert answer["Location"] == f"/admin/accounts/account/{acme.account.pk}/"
    assert sam.client.get("/app/prod/").status_code == 404


def test_a_grant_for_one_account_shows_no_other(acme, globex, calls, sam):
    grant(acme)
    look(sam, acme)

    with tenant(globex.account.pk):
        globex.project.slug = "globex-only"
        globex.project.save()
    assert sam.client.get("/app/globex-only/").status_code == 404
    assert look(sam, globex)["Location"].startswith("/admin/")


def test_who_looks_changes_nothing_and_sees_no_more_than_usage(acme, calls, sam):
    grant(acme)
    look(sam, acme)

    refused = [
        sam.client.post("/app/prod/start/key/"),
        sam.client.post("/app/prod/keys/", {"name": "mine", "scopes": ["read"]}),
        sam.client.post(f"/app/prod/keys/{acme.key_row.pk}/revocation/"),
        sam.client.post(PAGE, GRANT),
        sam.client.post(f"{PAGE}end/"),
        sam.client.get("/app/prod/keys/"),
        sam.client.get(PAGE),
        sam.client.delete("/app/prod/"),
    ]

    assert {answer.status_code for answer in refused} <= {403, 405}
    with tenant(acme.account.pk):
        acme.key_row.refresh_from_db()
    assert acme.key_row.revoked_at is None


def test_every_page_that_a_reader_may_see_opens_for_support(acme, calls, sam):
    grant(acme)
    look(sam, acme)

    answers = {
        path: sam.client.get(path)
        for path in ("/app/", "/app/prod/", "/app/prod/?range=30d", "/app/prod/start/")
    }

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(
        answers, 200
    )


def test_who_may_support_no_more_looks_no_more(acme, calls, sam):
    grant(acme)
    look(sam, acme)
    sam.user.groups.clear()

    assert sam.client.get("/app/prod/").status_code == 404


@pytest.mark.parametrize("duty", ["privacy officer", "finance"])
def test_other_duties_do_not_look_even_under_a_grant(acme, calls, duty):
    grant(acme)
    other = employ("pat@support.example", "Pat", duty)

    assert look(other, acme).status_code == 404
    assert other.client.get("/app/prod/").status_code == 404


def test_a_customer_cannot_begin_a_look(acme, globex, calls):
    grant(acme)

    assert look(globex, acme).status_code == 404


def test_a_member_of_staff_with_an_account_of_their_own_works_there_as_before(acme, sam):
    with tenant(acme.account.pk):
        acme.account.memberships.create(user=User.objects.get(pk=sam.user.pk), role="member")

    assert sam.client.get("/app/prod/keys/").status_code == 200
    assert trail(acme) == []
