"""The policy's versions: each has its tables, the newest says what is stored now."""

from itertools import pairwise

from privacy.policy import versions
from privacy.policy.documents import files, tables_of
from privacy.policy.drafting import outdated, widened

VERSIONS = versions("privacy")


def test_each_version_has_the_tables_that_its_text_names_and_no_other_is_there():
    # Reading a version whose text names a table that is not there is refused.
    held = {tables_of(file) for file in files("privacy")}

    assert {path for path in held if path.exists()} == set(
        files("privacy")[0].parent.glob("*.json")
    )
    assert all(version.tables for version in VERSIONS)


def test_the_newest_version_says_what_is_stored_now():
    assert outdated() == [], "run `manage.py draft_policy`: docs/privacy.md, Declaring a column"


def test_who_stores_or_shares_more_says_that_it_is_material():
    for newer, older in pairwise(VERSIONS):
        assert newer.is_material or widened(older.tables, newer.tables) == []
