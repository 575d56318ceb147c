"""Starting the next version of the policy, whose tables stand beside it from then on."""

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from privacy.policy.documents import TABLE, files, read, tables_of, versions
from privacy.policy.publication import NOTICE_DAYS
from privacy.policy.tables import TABLES, Rows

# The table that says of everything that is stored who else holds it.
EVERYTHING = "everything"
TO_WRITE = "What changes, in one sentence."
# What is drafted takes some days to be read by others and rolled out.
DAYS_TO_PUBLISH = 7


def outdated() -> list[str]:
    """Return the tables of the newest version that say something else than what is stored now."""
    newest = versions("privacy")[0]
    return [name for name, rows in newest.tables.items() if rows != TABLES[name]()]


def widened(old: Mapping[str, Rows], new: Mapping[str, Rows]) -> list[str]:
    """Return what is stored or shared by the new tables and was not by the old ones.

    That is a material change (promise 17): a kind of data, or somebody else who holds one.
    """
    if EVERYTHING not in old:
        return []
    before = _shared(old)
    more = []
    for kind, recipients in _shared(new).items():
        if kind not in before:
            more.append(kind)
        more += [f"{kind}: {one}" for one in sorted(recipients - before.get(kind, recipients))]
    return more


def _shared(tables: Mapping[str, Rows]) -> dict[str, set[str]]:
    """Return kind of data -> who holds it."""
    shared: dict[str, set[str]] = {}
    for kind, *_, recipients in tables[EVERYTHING][1:]:
        shared.setdefault(kind, set()).update(recipients.split(", "))
    return shared


def draft(today: date) -> tuple[Path, list[str]]:
    """Start the next version of the policy from the newest one; return its file and what is wider.

    One that was started today only gets its tables made again. What was drafted before today may
    have been published, and is never touched.
    """
    newest = files("privacy")[0]
    is_todays = newest.stem >= str(today)
    before = files("privacy")[1] if is_todays else newest
    text = newest.read_text()
    tables = {name: TABLES[name]() for name in TABLE.findall(text)}
    more = widened(read(before).tables, tables)
    if not is_todays:
        text = _with(text, version=today, updated=today, effective=today, material="no")
        text = _with(text, summary=TO_WRITE)
    if more:
        text = _with(text, material="yes")
        text = _with(text, effective=today + timedelta(days=NOTICE_DAYS + DAYS_TO_PUBLISH))
    file = newest if is_todays else newest.with_stem(str(today))
    file.write_text(text)
    tables_of(file).write_text(json.dumps(tables, indent=1, ensure_ascii=False) + "\n")
    versions.cache_clear()
    return file, more


def _with(text: str, **facts: object) -> str:
    """Change facts of the head, which comes first."""
    for name, value in facts.items():
        text = re.sub(rf"^{name}: .*$", f"{name}: {value}", text, count=1, flags=re.MULTILINE)
    return text
