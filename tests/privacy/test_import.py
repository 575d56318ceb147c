"""Into another installation and back: nothing is lost but what is decided, and that is said."""

import json
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import audit
from accounts.models import Actor, AuditEvent, Invitation, Membership, Role, User
from events.rollups.fold import fold
from llmcost import clock
from llmcost.models import OutgoingMail
from llmcost.tenancy.context import tenant
from privacy import erasure
from privacy.exports import content, reading
from privacy.exports.portability import CALLS, DECISIONS, RATES
from privacy.management.commands import import_account
from privacy.retention import set_retention
from projects.models import ApiKey, Project, Scope
from projects.services import archive_project, issue_key, open_project
from tests.calls import CALL
from tests.conftest import open_company, sign_in
from tests.privacy.elsewhere import contents, export_of, installation, key_of, read, somebody
from tests.privacy.test_erasure import log, post, usage  # noqa: F401 - fixture
from tests.strategies import MOMENTS, NAMES, calls

NUMBERS = count()
ROOT = Path(__file__).resolve().parent.parent.parent
SPAN = {"from": "2025-10-15", "to": "2025-11-15"}
DIMENSIONS = ["model", "provider", "feature", "user_id", "prompt_version"]
# What belongs to the installation that writes a table: numbers, and the moments named beside.
OWN = {"id", "account_id", "project_id", "user_id", "member_id", "first_used_at"}


@pytest.fixture(scope="module")
def elsewhere(django_db_setup, django_db_blocker, database_name):
    with installation(f"{database_name}_elsewhere", django_db_blocker) as there:
        yield there


@pytest.fixture
def firm(committed, log, tmp_path, settings):  # noqa: F811
    settings.EXPORT_DIR = tmp_path / "exports"
    return open_company("Firm & Söhne", "owner@firm.example")


@pytest.fixture
def busy(firm):
    """A firm with calls of every kind, two projects, members, an erased user, and a past."""
    post(
        firm.key,
        {**CALL, "user_id": "u", "feature": "f", "prompt_version": "v1", "latency_ms": 900},
        {**CALL, "created_at": "2025-10-29T12:00:00Z", "status": "error", "cost_usd": "0.1"},
        {**CALL, "model": "nobody-knows-it", "cached_input_tokens": 7, "user_id": "ü"},
        {**CALL, "created_at": "2025-10-26T00:59:59.999999Z", "latency_ms": 7, "user_id": "u"},
        {**CALL, "created_at": "2025-10-26T01:30:00Z", "latency_ms": 70, "service_tier": "batch"},
    )
    fold(firm.account.pk)
    with tenant(firm.account.pk):
        second = open_project(
            firm.account, name="Zweites\n\u202e", timezone="Asia/Kathmandu", by=firm.owner
        )
        _, key = issue_key(second, name="B", scopes=[Scope.INGEST], by=firm.owner)
    post(key, *[{**CALL, "created_at": "2025-10-30T12:00:00Z", "user_id": "gone"}] * 2, CALL)
    with tenant(firm.account.pk):
        asked = erasure.erase_user(second, "gone", refuse_later=True, by=firm.owner)
    assert erasure.carry_out(asked) is True
    with tenant(firm.account.pk):
        set_retention(second, 3_650, by=firm.owner)
        archive_project(second, by=firm.owner)
        member = User.objects.create_user("m@firm.example", "correct horse battery", name="M")
        Membership.objects.create(account=firm.account, user=member, role=Role.MEMBER)
    return firm


def rows(files, table):
    """The rows of a table without what belongs to the installation that wrote them."""
    written = [json.loads(line) for line in files[f"{table}.json"].splitlines()]
    return [{name: one for name, one in row.items() if name not in OWN} for row in written]


def acts(files):
    """The trail without the mark of a journey, and what was done before it."""
    told = []
    for row in rows(files, "accounts_auditevent"):
        marked = row["details"].pop("imported", False)
        row["details"] = {n: v for n, v in row["details"].items() if not n.startswith("imported_")}
        told.append((marked, row))
    return told


def reports(key):
    """What the API says of a project, by every dimension, interval and time zone."""
    everything = {"group_by": ",".join(DIMENSIONS)}
    asked = [
        {"tz": zone, **interval, **groups}
        for zone in ("UTC", "Europe/Berlin", "Asia/Kathmandu")
        for interval in ({}, *({"interval": name} for name in ("hour", "day", "week", "month")))
        for groups in ({}, everything)
    ]
    asked += [{"group_by": name} for name in DIMENSIONS]
    return [usage(key, **SPAN, **one) for one in asked]


# --- There and back --------------------------------------------------------------------------
def test_there_and_back_nothing_is_lost(busy, elsewhere):
    first = export_of(busy.account, busy.owner)
    told = reports(busy.key)
    with elsewhere():
        there = read(first)
        assert reports(key_of(there.account)) == told
        fold(there.account.pk)
        assert reports(key_of(there.account)) == told
        second = export_of(there.account, there.owner)
    back = read(second, "back@firm.example")

    assert reports(key_of(back.account)) == told
    before, after = contents(first), contents(export_of(back.account, back.owner))
    parts = [name for name in before if name.startswith("calls/")]
    assert len(parts) == 6
    assert {name: before[name] for name in parts} == {
        name: one for name, one in after.items() if name.startswith("calls/")
    }
    assert rows(before, "rates") == rows(after, "rates")
    assert rows(before, "projects_project") == rows(after, "projects_project")
    assert [row["retention_days"] for row in rows(after, "projects_project")] == [None, 3_650]
    assert before["accounts_account.json"] != after["accounts_account.json"]
    assert rows(after, "accounts_account")[0]["name"] == "Firm & Söhne"
    for earlier in rows(before, "accounts_auditevent"):
        assert (True, {**earlier}) in acts(after)
    done_here = [row["action"] for marked, row in acts(after) if not marked]
    assert done_here[:2] == ["account.opened", "data.imported"]
    assert before.keys() == after.keys()


HOSTILE = st.one_of(
    NAMES,
    st.sampled_from(
        [
            *("=1+1", "@SUM(A1)", "\u202egpj.exe", "é", "e\N{COMBINING ACUTE ACCENT}", "👩‍👩‍👧‍👦"),
            *("\N{HEBREW LETTER SHIN WITH DAGESH AND SHIN DOT}" * 200, "a\\b", '"},{"', "null"),
            *("'; DROP TABLE x", "\N{ZERO WIDTH SPACE}", "%s", "{sign}", "İ" * 200),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200),
)
HOSTILE_CALLS = st.builds(
    lambda call, names, at: {**call, **names, "created_at": at.isoformat()},
    calls(),
    st.fixed_dictionaries(
        {"feature": HOSTILE, "user_id": HOSTILE, "prompt_version": HOSTILE},
        optional={"provider": st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=64)},
    ),
    MOMENTS,
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sent=st.lists(HOSTILE_CALLS, min_size=1, max_size=12),
    company=st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=200
    ),
    name=st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=100
    ),
)
def test_whatever_was_taken_in_can_be_taken_along(firm, elsewhere, sent, company, name):
    number = next(NUMBERS)
    source = open_company(company, f"s{number}@firm.example")
    with tenant(source.account.pk):
        Project.objects.filter(pk=source.project.pk).update(name=name)
    post(source.key, *sent)
    first = export_of(source.account, source.owner)
    asked = {**SPAN, "interval": "day", "group_by": ",".join(DIMENSIONS)}
    told = usage(source.key, **asked)

    with elsewhere():
        there = read(first, f"n{number}@owner.example")
        assert usage(key_of(there.account), **asked) == told
        again = contents(export_of(there.account, there.owner))

    before = contents(first)
    assert {n: before[n] for n in before if n.startswith("calls/")} == {
        n: again[n] for n in again if n.startswith("calls/")
    }
    assert rows(before, "projects_project") == rows(again, "projects_project")
    assert rows(again, "accounts_account")[0]["name"] == company


# --- Read again ------------------------------------------------------------------------------
def test_reading_it_twice_is_reading_it_once(busy, elsewhere):
    path = export_of(busy.account, busy.owner)
    with elsewhere():
        first = read(path, "twice@owner.example")
        told = usage(key_of(first.account))

        again = read(path, "twice@owner.example")

        assert "6 calls read in" in first.said
        assert "was read in before; nothing has changed" in again.said
        assert again.account == first.account
        assert usage(key_of(again.account)) == told


def test_what_was_erased_since_does_not_come_back(busy, elsewhere):
    path = export_of(busy.account, busy.owner)
    with elsewhere():
        there = read(path, "erased@owner.example")
        with tenant(there.account.pk):
            project = Project.objects.get(account_id=there.account.pk, slug="prod")
            asked = erasure.erase_user(project, "u", by=there.owner)
        assert erasure.carry_out(asked) is True

        read(path, "erased@owner.example")

        key = key_of(there.account)
        assert "u" not in {row["user_id"] for row in usage(key, **SPAN, group_by="user_id")}


def test_the_trail_of_another_account_is_not_mistaken_for_a_reading(busy, elsewhere):
    first = export_of(busy.account, busy.owner)
    with elsewhere():
        there = read(first, "chain@owner.example")
        second = export_of(there.account, there.owner)
    one = read(second, "chain@firm.example")

    other = read(first, "chain@firm.example")

    assert other.account != one.account
    assert "6 calls read in" in other.said


# --- What is not read in ---------------------------------------------------------------------
def test_each_table_of_an_export_is_decided_upon(db):
    assert {source.name for source in content.sources()} | {CALLS, RATES} == set(DECISIONS)


@pytest.mark.parametrize(
    ("table", "form"), [(t, f) for t, f in reading._FORMS.items() if DECISIONS[t].is_read]
)
def test_every_column_of_a_table_that_is_read_in_is_known(db, table, form):
    columns = {source.name: set(source.columns) for source in content.sources()}
    columns |= {CALLS: set(content.call_columns()), RATES: set(content.rates().columns)}

    assert set(form.__struct_fields__) == columns[table]


def test_the_docs_and_the_readme_say_what_is_decided(db):
    docs = (ROOT / "docs/export.md").read_text()
    readme = content.readme("Firm", "2026-11-24", 1)

    for table, decision in DECISIONS.items():
        assert f"| `{table}` | {'yes' if decision.is_read else 'no'} | {decision.why} |" in docs
        assert str(decision) in readme


def test_it_says_what_was_read_what_not_and_what_is_left_to_do(busy, elsewhere):
    path = export_of(busy.account, busy.owner)
    with elsewhere():
        said = read(path, "said@owner.example").said

    assert "projects_project (2). Read in again: every column but the numbers." in said
    assert "members (2). Not read in again: who belongs to an account has to agree" in said
    assert "receipts (1). Not read in again: each is signed" in said
    assert f"Make a key for prod in place of {busy.key_row.hint}: Tests (ingest, read)" in said
    assert "zweites: calls of 1 erased end users were refused there" in said
    assert "billing_invoice" not in said  # there is none


def test_keys_and_members_do_not_move_by_themselves(busy, elsewhere):
    path = export_of(busy.account, busy.owner)
    with elsewhere():
        there = read(path, "alone@owner.example")

        with tenant(there.account.pk):
            assert not ApiKey.objects.filter(account_id=there.account.pk).exists()
            [member] = Membership.objects.filter(account_id=there.account.pk)
            assert not Invitation.objects.filter(account_id=there.account.pk).exists()
    assert (member.user_id, member.role) == (there.owner.pk, Role.OWNER)


def test_members_are_invited_if_that_is_asked_for(busy, elsewhere):
    path = export_of(busy.account, busy.owner)
    with elsewhere():
        there = read(path, "host@owner.example")
        for _ in range(2):
            said = read(path, "host@owner.example", "--invite-members").said

        with tenant(there.account.pk):
            offers = Invitation.objects.filter(account_id=there.account.pk)
            assert {(one.email, one.role) for one in offers} == {
                ("owner@firm.example", Role.ADMIN),  # there is one owner
                ("m@firm.example", Role.MEMBER),
            }
            assert Membership.objects.filter(account_id=there.account.pk).count() == 1
        mails = OutgoingMail.objects.filter(account_id=there.account.pk)
        assert {mail.recipient for mail in mails} == {"owner@firm.example", "m@firm.example"}
        assert "0 members invited." in said  # the second time


def test_an_account_that_is_opened_for_somebody_proves_no_acceptance(busy):
    path = export_of(busy.account, busy.owner)
    owner = somebody("accepted@firm.example")
    accepted = clock.now() - timedelta(days=30)
    owner.accepted_policy_version, owner.accepted_policy_at = "2026-01-01", accepted
    owner.save()

    read(path, "accepted@firm.example")

    owner.refresh_from_db()
    assert (owner.accepted_policy_version, owner.accepted_policy_at) == ("2026-01-01", accepted)


def test_people_of_the_other_installation_are_nobody_here(busy, elsewhere):
    path = export_of(busy.account, busy.owner)
    with elsewhere():
        there = read(path, "nobody@owner.example")

        with tenant(there.account.pk):
            came = AuditEvent.objects.filter(account_id=there.account.pk, details__imported=True)
            assert came.count() >= 6
            assert not came.exclude(user_id=None, member_id=None).exists()
            assert came.filter(details__imported_user=busy.owner.pk).exists()
        page = sign_in(there.owner).get("/account/audit/").content.decode()
        assert "Created a project" in page
        assert f"imported user</span> <bdi>{busy.owner.pk}<" in page


def test_what_their_support_did_is_not_told_of_ours(busy):
    with tenant(busy.account.pk):
        audit.record(busy.account.pk, "support.looked", by=None, actor=Actor.SUPPORT)
    path = export_of(busy.account, busy.owner)

    back = read(path, "support@firm.example")

    for client, is_told in ((busy.client, True), (sign_in(back.owner), False)):
        page = client.get("/account/security/support/").content.decode()
        assert ("Looked at a page" in page) is is_told


def test_a_database_that_goes_away_is_said_and_nothing_is_left(busy, elsewhere, monkeypatch):
    path = export_of(busy.account, busy.owner)

    def kill(_command, what, _done, _whole):
        if what == "Reading calls in":
            connection.connection.close()

    with elsewhere():
        with monkeypatch.context() as patched:
            patched.setattr(import_account.Command, "_tell", kill)
            with pytest.raises(CommandError, match="The database has ended the reading"):
                read(path, "lost@owner.example")
        connection.close()

        assert "6 calls read in" in read(path, "lost@owner.example").said


def test_nobody_who_is_not_there_becomes_an_owner(firm):
    path = export_of(firm.account, firm.owner)

    with pytest.raises(CommandError, match="Nobody has signed up here as who@"):
        call_command("import_account", str(path), "--owner", "who@firm.example")


def test_progress_is_told(busy, elsewhere, capsys, monkeypatch):
    monkeypatch.setattr(import_account, "TELL_EVERY_SECONDS", 0)
    path = export_of(busy.account, busy.owner)
    with elsewhere():
        read(path, "slow@owner.example")

    said = capsys.readouterr().err
    assert "Checking every file and line: 0 %" in said
    assert "Reading calls in: 0 %" in said
