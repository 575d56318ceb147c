"""The table of OWASP ASVS names tests that exist, and leaves no requirement out."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/security/asvs.md").read_text().splitlines()
    if line.startswith("| v5.0.0-")
]
# How many requirements of levels 1 and 2 each chapter of version 5.0.0 has.
CHAPTERS = {
    1: 27, 2: 11, 3: 19, 4: 10, 5: 9, 6: 35, 7: 18, 8: 7, 9: 7, 10: 29, 11: 14, 12: 9, 13: 13,
    14: 9, 15: 13, 16: 16, 17: 7,
}  # fmt: skip


def requirements() -> list[str]:
    return [one.strip() for ids, *_ in ROWS for one in ids.split(",")]


@cache
def functions_of(path: str) -> set[str]:
    file = ROOT / path
    tree = ast.parse(file.read_text()) if file.exists() else ast.Module(body=[], type_ignores=[])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_requirement_stands_there_once():
    found = requirements()

    assert [one for one in found if not re.fullmatch(r"v5\.0\.0-\d+\.\d+\.\d+", one)] == []
    assert len(found) == len(set(found))
    chapters = [int(one.removeprefix("v5.0.0-").split(".")[0]) for one in found]
    assert {chapter: chapters.count(chapter) for chapter in CHAPTERS} == CHAPTERS


def test_every_test_that_is_named_is_there():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", str(ROWS))

    assert len(named) > 100
    assert [f"{path}::{name}" for path, name in named if name not in functions_of(path)] == []


def test_every_row_says_what_keeps_it_or_what_is_missing():
    says = re.compile(r"`tests/|review:|n/a because |not yet", re.IGNORECASE)

    assert [ids for ids, _, kept_by in ROWS if not says.search(kept_by)] == []
