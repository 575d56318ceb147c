"""Publishing a version: never too late, everybody told once, and what differs is shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from accounts.models import Membership, Role, User
from accounts.services import open_account
from llmcost import outbox
from llmcost.tenancy.context import tenant
from privacy import tasks
from privacy.models import Notice, Publication
from privacy.policy import current, documents, publication, versions
from privacy.policy.documents import Part, Table

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
TODAY = NOON.date()


@pytest.fixture(autouse=True)
def _today(db, time_machine):
    time_machine.move_to(NOON, tick=False)
    publication.publish()  # the first day of this installation


@pytest.fixture
def draft(monkeypatch):
    """Put a version before those in the files: `draft(effective=…, is_material=…)`."""

    def put(kind="privacy", **more):
        files = {one: versions(one) for one in documents.KINDS}
        facts = {"version": "next", "updated": TODAY, "summary": "We bake bread now.", **more}
        newest = replace(files[kind][0], **facts)
        files[kind] = (newest, *files[kind])
        monkeypatch.setattr(publication, "versions", files.__getitem__)
        monkeypatch.setattr("privacy.views.versions", files.__getitem__)
        return newest

    return put


def in_days(days):
    return TODAY + timedelta(days=days)


def tell_everybody():
    tasks.tell_owners()
    outbox.send_due()


def test_the_first_day_writes_down_what_is_in_force_and_tells_nobody(acme):
    tell_everybody()

    assert {(one.kind, one.is_announced) for one in Publication.objects.all()} == {
        ("privacy", False), ("terms", False), ("subprocessors", False),
    }  # fmt: skip
    assert publication.publish() == []
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("effective", "is_material", "reason"),
    [
        (in_days(-1), False, "which is past"),
        (in_days(-1), True, "which is past"),
        (in_days(13), True, "14 days before"),
        (in_days(0), True, "14 days before"),
    ],
)
def test_what_comes_too_late_is_refused_and_never_in_force(
    draft, capsys, time_machine, effective, is_material, reason
):
    newest = draft(effective=effective, is_material=is_material)

    with pytest.raises(CommandError, match=reason):
        call_command("publish_policy")

    tasks.publish_policies()  # the hourly task does not fall over it
    time_machine.move_to(NOON + timedelta(days=60))
    assert not Publication.objects.filter(version=newest.version).exists()
    assert current("privacy").version != newest.version


def test_a_small_change_may_count_at_once_and_tells_nobody(draft, acme, capsys):
    newest = draft(effective=TODAY, is_material=False)

    call_command("publish_policy")

    tell_everybody()
    assert "Published: privacy next, in force from 2026-12-01.\n" in capsys.readouterr().out
    assert current("privacy") == newest
    assert mail.outbox == []
    assert b"We bake bread now." not in acme.client.get("/app/", follow=True).content


@pytest.mark.parametrize("kind", documents.KINDS)
def test_every_owner_is_told_once_and_it_is_written_down(draft, acme, globex, kind, capsys):
    helper = User.objects.create_user("bob@acme.example", "correct horse battery", name="Bob")
    with tenant(acme.account.pk):
        Membership.objects.create(account=acme.account, user=helper, role=Role.ADMIN)
    newest = draft(kind, effective=in_days(14), is_material=True)

    call_command("publish_policy")
    tell_everybody()
    tell_everybody()

    assert "every owner is being told" in capsys.readouterr().out
    assert sorted(one.to[0] for one in mail.outbox) == [
        "alice@acme.example",
        "carol@globex.example",
    ]
    assert all("15 December 2026" in one.subject for one in mail.outbox)
    assert all("We bake bread now." in one.body for one in mail.outbox)
    for company in (acme, globex):
        with tenant(company.account.pk):
            told = Notice.objects.get()
        assert (told.user_id, told.kind, told.version) == (company.owner.pk, kind, newest.version)


def test_an_owner_of_two_companies_gets_one_mail_and_both_have_a_record(draft, acme):
    second = open_account(user=acme.owner, company="Acme Two")
    draft(effective=in_days(20), is_material=True)
    publication.publish()

    tell_everybody()

    assert len(mail.outbox) == 1
    for account in (acme.account, second):
        with tenant(account.pk):
            assert Notice.objects.filter(account_id=account.pk).count() == 1


def test_who_signs_up_before_the_day_is_told_too(draft, acme):
    draft(effective=in_days(20), is_material=True)
    publication.publish()
    tell_everybody()
    late = User.objects.create_user("late@acme.example", "correct horse battery", name="Late")
    open_account(user=late, company="Late")

    tell_everybody()

    assert [one.to for one in mail.outbox] == [["alice@acme.example"], ["late@acme.example"]]


def test_telling_goes_on_where_it_was_interrupted(draft, acme, globex, monkeypatch):
    draft(effective=in_days(20), is_material=True)
    publication.publish()
    monkeypatch.setattr(publication, "BATCH", 1)

    assert publication.tell_owners() == 1
    assert publication.tell_owners() == 1
    assert publication.tell_owners() == 0


def test_the_app_shows_the_notice_until_the_change_takes_effect(draft, acme, time_machine):
    draft(effective=in_days(14), is_material=True)
    before = acme.client.get("/app/", follow=True).content
    publication.publish()

    during = acme.client.get("/app/", follow=True).content
    on_the_page = acme.client.get("/privacy/").content
    time_machine.move_to(NOON + timedelta(days=14))
    after = acme.client.get("/app/", follow=True).content

    assert b"We bake bread now." in during
    assert b'href="/privacy/history/next/"' in during
    assert b"From 15 December 2026 version next counts" in on_the_page
    assert b"We bake bread now." not in before
    assert b"We bake bread now." not in after


def test_a_page_without_a_notice_asks_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert publication.upcoming() == []


def test_sign_up_records_both_versions(acme):
    acme.owner.refresh_from_db()

    assert acme.owner.accepted_policy_version == current("privacy").version
    assert acme.owner.accepted_terms_version == current("terms").version
    assert acme.owner.accepted_policy_at == NOON


def test_the_history_shows_each_version_and_its_difference(draft, client):
    old = versions("privacy")[0]
    first, second, *rest = old.parts
    parts = (
        replace(first, blocks=(first.blocks[0].replace("collect only", "bake only"),)),
        Part("bread", "Bread", "We bake.", ("All day <long>.",), frozenset()),
        *rest,
    )
    draft(effective=in_days(0), is_material=False, parts=parts)

    history = client.get("/privacy/history/").content.decode()
    shown = client.get("/privacy/history/next/").content.decode()

    assert 'href="/privacy/history/next/"' in history
    assert f'href="/privacy/history/{versions("privacy")[-1].version}/"' in history
    assert "We <del>collect</del> <ins>bake</ins> only what we need" in shown
    assert "<ins>All day &lt;long&gt;.</ins>" in shown
    assert f'{second.title} <span class="badge">gone</span>' in shown
    assert rest[0].title not in shown.split("<main", 1)[1]
    assert client.get("/privacy/history/2020-01-01/").status_code == 404


def test_an_older_version_keeps_its_tables_and_the_difference_shows_their_rows(draft, client):
    old = versions("privacy")[0]
    (part,) = [part for part in old.parts if part.id == "calls"]
    table = next(block for block in part.blocks if isinstance(block, Table))
    said = [*table.rows[:-1], [*table.rows[-1][:2], "bread <daily>"]]
    blocks = (Table(table.name, [*said, ["`oven`", "which one", "bread"]]),)
    draft(effective=in_days(0), is_material=False, parts=(replace(part, blocks=blocks),))

    shown = client.get("/privacy/history/next/").content.decode()

    assert "created_at · the time of the call" in shown
    assert "<ins>bread &lt;daily&gt;</ins>" in shown
    assert "<ins>oven · which one · bread</ins>" in shown
    first = client.get(f"/privacy/history/{versions('privacy')[-1].version}/").content.decode()
    assert "<td" in first
    assert "bread" not in first


def test_what_was_published_is_not_changed_afterwards_unnoticed(draft):
    newest = draft(effective=TODAY, is_material=False, sha256="a" * 64)
    publication.publish()
    assert publication.rewritten() == []

    draft(effective=newest.effective, is_material=False, sha256="b" * 64)

    assert [str(one) for one in publication.rewritten()] == ["privacy next"]


def test_where_nothing_was_published_yet_a_coming_version_waits_for_nobody(draft):
    Publication.objects.all().delete()
    draft(effective=in_days(3), is_material=True)

    publication.publish()

    assert publication.unpublished() == []
    assert current("privacy").version != "next"
    assert [document.version for _, document in publication.upcoming()] == ["next"]


def test_the_first_version_is_shown_whole(client):
    first = versions("privacy")[-1]

    shown = client.get(f"/privacy/history/{first.version}/").content.decode()

    for part in first.parts:
        assert f'<h2 id="{part.id}">' in shown


def test_the_page_of_subprocessors_says_who_holds_what(client):
    page = client.get("/privacy/subprocessors/").content.decode()

    assert "E-mail address (a customer&#x27;s team member)" in page
    assert "Stripe" in page
