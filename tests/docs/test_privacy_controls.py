"""The table of promises names all of them, code that is there, and tests that are there."""

import re
from pathlib import Path

import pytest

from privacy.report import report

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs/privacy-controls.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.partition("## What a running")[0].splitlines()
    if re.match(r"\| \d", line)
]
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
CODE = sorted(set(re.findall(r"`([a-z_]+/[\w/.]*)`", TEXT)))


def test_every_promise_has_its_rows():
    assert sorted({int(row[0]) for row in ROWS}) == list(range(1, 18))


def test_every_row_names_code_and_a_test_or_says_not_yet():
    for number, promise, code, proof in ROWS:
        assert promise, number
        assert "not yet" in proof or ("`" in code and "`tests/" in proof), promise


@pytest.mark.parametrize(("file", "name"), TESTS, ids=lambda part: part)
def test_a_test_that_is_named_exists(file, name):
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", CODE)
def test_code_that_is_named_exists(path):
    assert (ROOT / path).exists()


def test_every_check_of_the_report_is_in_the_table(db):
    for line in report():
        assert line.name in TEXT
