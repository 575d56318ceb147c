"""Drafting a version: it takes along what is said now, and what was said before stays."""

import shutil
from dataclasses import replace
from datetime import date

import pytest
from django.core.management import call_command

from llmcost.inventory import Category, Recipient
from privacy.inventory.registry import inventory
from privacy.policy import documents, drafting, versions
from privacy.policy.documents import read
from privacy.report import report

TODAY = date(2027, 3, 1)


@pytest.fixture
def folder(tmp_path, monkeypatch, time_machine):
    """The files of a repository of its own, some months later."""
    shutil.copytree(documents.FOLDERS["privacy"], tmp_path / "versions")
    monkeypatch.setitem(documents.FOLDERS, "privacy", tmp_path / "versions")
    time_machine.move_to(f"{TODAY}T12:00:00Z", tick=False)
    versions.cache_clear()
    yield tmp_path / "versions"
    versions.cache_clear()


@pytest.fixture
def declare(monkeypatch):
    """Declare one more column of a person: `declare(purpose=…, recipients=…)`."""

    def put(**facts):
        name = inventory()["accounts_user"]["name"]
        monkeypatch.setitem(inventory()["accounts_user"], "shoe_size", replace(name, **facts))

    return put


def contents(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_a_draft_says_what_its_forerunner_said_with_todays_tables(folder, declare, capsys):
    before = contents(folder)
    declare(purpose="fitting shoes")
    assert drafting.outdated() == ["everything"]

    call_command("draft_policy")

    made, old = versions("privacy")[:2]
    assert (made.version, made.updated, made.effective) == ("2027-03-01", TODAY, TODAY)
    assert (made.is_material, made.summary) == (False, drafting.TO_WRITE)
    assert "fitting shoes" in str(made.tables["everything"])
    assert "fitting shoes" not in str(old.tables["everything"])
    assert [part.title for part in made.parts] == [part.title for part in old.parts]
    assert drafting.outdated() == []
    assert contents(folder).items() >= before.items()
    assert "Drafted: 2027-03-01.md." in capsys.readouterr().out


def test_what_was_written_today_stays_when_its_tables_are_made_again(folder, declare):
    file, _ = drafting.draft(TODAY)
    file.write_text(file.read_text().replace(drafting.TO_WRITE, "Shoes."))
    declare(purpose="fitting shoes")

    again, _ = drafting.draft(TODAY)

    assert again == file
    assert read(file).summary == "Shoes."
    assert "fitting shoes" in str(read(file).tables["everything"])
    assert drafting.outdated() == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"category": Category.PAYMENT}, "Billing record (a customer's team member)"),
        (
            {"recipients": (Recipient.STRIPE,)},
            "Name and company (a customer's team member): Stripe",
        ),
    ],
)
def test_another_kind_of_data_or_another_recipient_is_material(
    folder, declare, capsys, facts, said
):
    declare(**facts)

    call_command("draft_policy")

    made = versions("privacy")[0]
    assert made.is_material
    assert (made.effective - TODAY).days == 21
    assert f"It is material, because it adds: {said}.\n" in capsys.readouterr().out


def test_a_version_without_its_tables_is_refused(folder):
    (folder / "2026-11-24.tables.json").unlink()

    with pytest.raises(ValueError, match=r"run `manage\.py draft_policy`"):
        versions("privacy")


def test_the_report_asks_for_a_version_when_more_is_stored_than_it_says(db, declare):
    declare(purpose="fitting shoes")

    (line,) = [one for one in report() if one.name == "the newest policy says what is stored now"]
    assert not line.holds
    assert "draft_policy" in line.detail
