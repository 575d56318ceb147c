"""Reads a document's versions: front matter, then parts with a heading, a summary and text.

The text is a small part of Markdown (paragraphs, lists, links, `code`), which is all that these
documents use; whatever else stands there is shown as it is, escaped. A block `[[name]]` is a table
that was made from the inventory when the version was drafted (privacy.policy.drafting) and stands
beside it since: a history shows what was said then, whatever is stored today.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from privacy.policy import subprocessors
from privacy.policy.tables import Rows

Kind = Literal["privacy", "terms", "subprocessors"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOLDERS = {
    "privacy": Path(__file__).parent / "versions",
    "terms": Path(__file__).parent / "terms",
}
HEADING = re.compile(r"^(?P<title>.+?) \{#(?P<id>[a-z-]+)(?: promises=(?P<promises>[\d,]+))?\}$")
TABLE = re.compile(r"^\[\[(?P<name>[a-z ]+)\]\]$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a version, as it was when the version was drafted; the first row is its head."""

    name: str
    rows: Rows

    @property
    def is_wide(self) -> bool:
        """Whether it needs the whole width of the page."""
        return len(self.rows[0]) > 3


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a document; `promises` are the numbers of the promises that it states."""

    id: str
    title: str
    short: str
    blocks: tuple[str | Table, ...]
    promises: frozenset[int]

    @property
    def is_wide(self) -> bool:
        """Whether a table in it needs the whole width of the page."""
        return any(block.is_wide for block in self.blocks if isinstance(block, Table))

    @property
    def html(self) -> SafeString:
        """The text as it is shown."""
        return format_html_join("\n", "{}", ((_block(one, self.title),) for one in self.blocks))


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document; `sha256` is of the files it was read from."""

    title: str
    version: str
    updated: date
    effective: date
    is_material: bool
    summary: str
    parts: tuple[Part, ...]
    sha256: str
    # Whose analytics set cookies, once a visitor accepts; '' where nobody's do.
    analytics: str = ""

    @property
    def tables(self) -> dict[str, Rows]:
        """Its tables by name."""
        blocks = (block for part in self.parts for block in part.blocks)
        return {block.name: block.rows for block in blocks if isinstance(block, Table)}


@cache
def versions(kind: Kind) -> tuple[Document, ...]:
    """Return all versions, newest first. Raises ValueError for a file that is not well formed."""
    if kind == "subprocessors":
        return (_subprocessors(),)
    return tuple(read(file) for file in files(kind))


def files(kind: Kind) -> list[Path]:
    """Return the files of the versions, newest first."""
    return sorted(FOLDERS[kind].glob("*.md"), reverse=True)


def tables_of(file: Path) -> Path:
    """Return where the tables of a version stand; there is no such file if it has none."""
    return file.with_suffix(".tables.json")


def read(file: Path) -> Document:
    """Read a version. Raises ValueError if it is not well formed, or misses a table."""
    text, beside = file.read_text(), tables_of(file)
    tables = beside.read_text() if beside.exists() else "{}"
    made: Mapping[str, Rows] = json.loads(tables)
    _, head, body = text.split("---\n", 2)
    facts = dict(line.split(": ", 1) for line in head.strip().splitlines())
    return Document(
        title=facts["title"],
        version=facts["version"],
        updated=date.fromisoformat(facts["updated"]),
        effective=date.fromisoformat(facts["effective"]),
        is_material=facts["material"] == "yes",
        summary=facts["summary"],
        parts=tuple(_part(part, made) for part in body.strip().removeprefix("## ").split("\n## ")),
        sha256=_sha256(text, tables),
        analytics=facts.get("analytics", ""),
    )


def _subprocessors() -> Document:
    """The list of subprocessors has one file for all; its notices are like the others'."""
    facts = subprocessors.facts()
    return Document(
        title="Subprocessors",
        version=facts["version"],
        updated=facts["updated"],
        effective=facts["effective"],
        is_material=facts["material"],
        summary=facts["summary"],
        parts=(),
        sha256=_sha256(subprocessors.FILE.read_text()),
    )


def _sha256(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _part(text: str, tables: Mapping[str, Rows]) -> Part:
    heading, _, rest = text.partition("\n")
    found = HEADING.match(heading)
    blocks = [block.strip() for block in re.split(r"\n\s*\n", rest.strip())]
    if not found or not blocks[0].startswith("> "):
        raise ValueError(f"A part needs a heading with an id, and a summary: {heading}")
    return Part(
        id=found["id"],
        title=found["title"],
        short=" ".join(line.removeprefix(">").strip() for line in blocks[0].splitlines()),
        blocks=tuple(_read_block(block, tables) for block in blocks[1:]),
        promises=frozenset(
            int(number) for number in (found["promises"] or "").split(",") if number
        ),
    )


def _read_block(block: str, tables: Mapping[str, Rows]) -> str | Table:
    named = TABLE.fullmatch(block)
    if named is None:
        return block
    if named["name"] not in tables:
        raise ValueError(f"The table {block} is not there: run `manage.py draft_policy`")
    return Table(named["name"], tables[named["name"]])


def _block(block: str | Table, title: str) -> SafeString:
    if isinstance(block, Table):
        return _table(block, title)
    if block.startswith("- "):
        items = (block.removeprefix("- ")).split("\n- ")
        return format_html(
            "<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((_inline(i),) for i in items))
        )
    return format_html("<p>{}</p>", _inline(block))


def _table(table: Table, title: str) -> SafeString:
    """Show a table, which becomes cards on a phone."""
    columns, *body = table.rows
    head = format_html_join("", '<th scope="col">{}</th>', ((_inline(cell),) for cell in columns))
    lines = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        (
            (
                _inline(first),
                format_html_join(
                    "",
                    '<td data-label="{}">{}</td>',
                    zip(columns[1:], map(_inline, others), strict=True),
                ),
            )
            for first, *others in body
        ),
    )
    return format_html(
        '<table class="table table--cards policy__table{}">'
        '<caption class="hidden-visually">{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table>",
        " policy__table--wide" if table.is_wide else "",
        title,
        head,
        lines,
    )


def _inline(text: str) -> SafeString:
    """Escape first, then put `code` and [links](/to) in; nobody else writes these files."""
    html = str(escape(text))
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", html)
    html = re.sub(r"\[([^\]]+)\]\(((?:/|mailto:)[^)\s]*)\)", r'<a href="\2">\1</a>', html)
    return mark_safe(html)  # noqa: S308 - escaped above
