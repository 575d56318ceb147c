"""The docs show the same table of rights as the code."""

from pathlib import Path

from accounts.models import Role
from accounts.rights import RIGHTS

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/team.md"


def test_the_docs_show_the_table_of_rights():
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("|")
    ]

    assert header == ["right", *Role.labels]
    assert {right: tuple(marks) for right, *marks in rows} == {
        str(right): tuple("yes" if role in roles else "" for role in Role)
        for right, roles in RIGHTS.items()
    }
