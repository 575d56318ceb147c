"""The audit trail: complete, append-only, without people's names, filtered and exported."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import ProgrammingError, connection, transaction

from accounts import audit
from accounts.models import Actor, AuditEvent, Membership, Role
from accounts.trail import reading
from llmcost.tenancy.context import tenant
from tests.accounts.people import add, invite


def lines(company, **asked):
    return reading.export(reading.Question(account_id=company.account.pk, **asked))


def write(company, many, at):
    """Lines at moments one second apart, which only a test may choose."""
    with tenant(company.account.pk):
        AuditEvent.objects.bulk_create(
            AuditEvent(
                account=company.account,
                at=at + timedelta(seconds=n),
                actor=Actor.MEMBER,
                user_id=company.owner.pk,
                action="key.created",
                subject=f"line {n}",
            )
            for n in range(many)
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditevent SET action = 'x'",
        "DELETE FROM accounts_auditevent",
        "TRUNCATE accounts_auditevent",
    ],
)
def test_the_application_adds_lines_and_cannot_change_or_delete_one(acme, statement):
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        with tenant(acme.account.pk), connection.cursor() as cursor:
            cursor.execute(statement)
    with tenant(acme.account.pk):
        assert AuditEvent.objects.filter(action="account.opened").exists()


def test_an_act_that_nobody_declared_is_not_recorded(acme):
    with tenant(acme.account.pk), pytest.raises(ValueError, match="ACTIONS"):
        audit.record(acme.account.pk, "account.painted", by=acme.owner)


def test_the_page_shows_names_and_the_table_holds_none(acme):
    invite(acme)
    add(acme, "bob@acme.example", Role.MEMBER)

    page = acme.client.get("/account/audit/").content.decode()

    assert "Acme &lt;alice@acme.example&gt;" in page
    assert "Opened the account" in page
    assert "Invited somebody" in page
    assert '<span class="faint">role</span> <bdi>member</bdi>' in page
    assert '<span class="faint">scopes</span> <bdi>ingest, read</bdi>' in page
    with tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(to_jsonb(t)::text, '') FROM accounts_auditevent AS t")
        [(stored,)] = cursor.fetchall()
    assert "@" not in stored
    assert "alice" not in stored.lower()


def test_who_is_gone_is_a_former_member_and_support_has_no_name(acme):
    membership, _ = add(acme, "bob@acme.example", Role.MEMBER)
    acme.client.post(f"/account/team/members/{membership.pk}/role/", {"role": "admin"})
    acme.client.post(f"/account/team/members/{membership.pk}/removal/")
    with tenant(acme.account.pk):
        audit.record(acme.account.pk, "support.noted", by=membership.user, actor=Actor.SUPPORT)

    page = acme.client.get("/account/audit/").content.decode()

    assert "Changed the role of a member: <bdi>former member</bdi>" in page
    assert "our support" in page
    assert "bob@acme.example" not in page


def test_pages_follow_each_other_without_a_gap_or_a_double(acme):
    write(acme, 120, datetime(2026, 11, 1, tzinfo=UTC))
    seen, address = [], "/account/audit/?group=key&last=2026-11-02"

    while address:
        page = acme.client.get(address)
        seen += [line.subject for line in page.context["lines"]]
        address = page.context.get("older") and f"/account/audit/?{page.context['older']}"

    assert seen == [f"line {n}" for n in reversed(range(120))]


def test_lines_of_one_moment_are_told_apart(acme, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 2)
    at = datetime(2026, 11, 1, tzinfo=UTC)
    for _ in range(5):
        write(acme, 1, at)
    question = reading.Question(account_id=acme.account.pk, last=date(2026, 11, 2))
    numbers, before = 0, ""

    with tenant(acme.account.pk):
        for _ in range(3):
            shown, before = reading.page(question, before)
            numbers += len(shown)

    assert (numbers, before) == (5, "")


def test_filters_by_group_person_and_day(acme):
    membership, bob = add(acme, "bob@acme.example", Role.ADMIN)
    bob.post("/account/team/invitations/", {"email": "eve@acme.example", "role": "member"})
    write(acme, 3, datetime(2026, 11, 1, 23, 59, 58, tzinfo=UTC))

    def shown(**asked):
        return [line.action for line in acme.client.get("/account/audit/", asked).context["lines"]]

    assert shown(group="key", last="2026-11-02") == ["key.created"] * 3
    assert shown(first="2026-11-02", last="2026-11-02") == ["key.created"]
    assert shown(last="2026-11-01") == ["key.created"] * 2
    assert shown(person=membership.pk) == ["member.invited"]
    assert shown(group="account") == ["account.opened"]
    assert shown(group="billing" if "billing" in reading.GROUPS else "data") == []


@pytest.mark.parametrize(
    "asked",
    [
        {"group": "x"}, {"person": "987654321"}, {"person": "x"}, {"first": "yesterday"},
        {"last": "2026-02-30"}, {"group": "key\x00"},
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_refused_with_the_form(acme, asked):
    assert acme.client.get("/account/audit/", asked).status_code == 422
    assert acme.client.post("/account/audit/export/", asked).status_code == 422


@pytest.mark.parametrize("before", ["x", "_", "0001-01-01T00:00:00+14:00_1", "'--_1"])
def test_a_place_in_the_list_that_cannot_be_is_refused(acme, before):
    assert acme.client.get("/account/audit/", {"before": before}).status_code == 400


def test_the_furthest_days_are_days(acme):
    asked = {"first": "0001-01-01", "last": "9999-12-31"}

    assert acme.client.get("/account/audit/", asked).status_code == 200


def test_another_accounts_person_is_not_one(acme, globex):
    with tenant(globex.account.pk):
        stranger = Membership.objects.get(user=globex.owner)

    answer = acme.client.get("/account/audit/", {"person": stranger.pk})

    assert answer.status_code == 422
    assert "Globex" not in answer.content.decode()


def test_the_file_holds_what_the_filters_show_and_is_a_line_itself(acme):
    write(acme, 60, datetime(2026, 11, 1, tzinfo=UTC))

    answer = acme.client.post("/account/audit/export/", {"format": "json", "last": "2026-11-02"})

    assert answer["Content-Disposition"].endswith('.json"')
    found = json.loads(answer.content)
    assert [one["subject"] for one in found] == [f"line {n}" for n in reversed(range(60))]
    assert set(found[0]) == set(reading.COLUMNS)
    assert found[0]["at"] == "2026-11-01T00:00:59+00:00"
    with tenant(acme.account.pk):
        last = AuditEvent.objects.latest("at", "pk")
    assert (last.action, last.details) == (
        "account.audit_exported", {"lines": 60, "format": "json"},
    )  # fmt: skip


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_file_is_a_formula(acme, start):
    evil = f"{start}cmd|' /C calc'!A0"
    acme.owner.name = evil
    acme.owner.save()
    with tenant(acme.account.pk):
        audit.record(acme.account.pk, "key.created", by=acme.owner, subject=evil, note=evil)

    answer = acme.client.post("/account/audit/export/", {"format": "csv"})
    rows = list(csv.reader(io.StringIO(answer.content.decode(), newline="")))

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert rows[0] == list(reading.COLUMNS)
    cells = [cell for row in rows[1:] for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any(cell == f"'{evil}" for cell in cells)


def test_a_closed_account_can_still_export_its_trail(acme):
    acme.client.post("/account/close/", {"name": "Acme"})

    assert acme.client.post("/account/audit/export/", {"format": "csv"}).status_code == 200
