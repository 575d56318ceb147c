"""The statements on the events' tables: one file, one caller."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import connection

_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
# What statements that store or delete calls say in place of deltas.sql, and what it is filled with:
# each names its calls as here.
_DELTAS = {
    "{added_to_deltas}": {"sign": "", "calls": "new"},
    "{taken_from_deltas}": {"sign": "-", "calls": "gone"},
}


@cache
def statement(name: str) -> str:
    """Return the text of `<name>.sql`, without comments and line breaks.

    The driver takes a text of up to 4 kB apart only once; the file is for people.
    """
    text = _text(name)
    for place, filling in _DELTAS.items():
        if place in text:
            text = text.replace(place, _text("deltas").format(**filling))
    return text


def _text(name: str) -> str:
    text = (Path(__file__).parent / f"{name}.sql").read_text()
    return " ".join(_COMMENT.sub("", text).split())


@contextmanager
def prepared() -> Iterator[None]:
    """Let the server keep the plan of what runs inside, where the installation allows it.

    For what runs with every request: planning the statement of ingest takes the server longer
    than storing one event. Reports are planned each time, for the span that they ask for.
    """
    driver = connection.connection
    driver.prepare_threshold = 1 if settings.PREPARED_STATEMENTS else None
    try:
        yield
    finally:
        driver.prepare_threshold = None
