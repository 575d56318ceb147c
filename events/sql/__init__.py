"""The statements on the events' tables: one file, one caller."""

from functools import cache
from pathlib import Path


@cache
def statement(name: str) -> str:
    """Return the text of `<name>.sql`."""
    return (Path(__file__).parent / f"{name}.sql").read_text()
