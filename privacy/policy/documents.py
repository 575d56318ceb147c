"""Reads a document's versions: front matter, then parts with a heading, a summary and text.

The text is a small part of Markdown (paragraphs, lists, links, `code`), which is all that these
documents use; whatever else stands there is shown as it is, escaped. A block `[[name]]` is a table
that is made from the inventory (privacy.policy.tables).
"""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from privacy.policy import subprocessors
from privacy.policy.tables import TABLES, Rows

Kind = Literal["privacy", "terms", "subprocessors"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOLDERS = {
    "privacy": Path(__file__).parent / "versions",
    "terms": Path(__file__).parent / "terms",
}
HEADING = re.compile(r"^(?P<title>.+?) \{#(?P<id>[a-z-]+)(?: promises=(?P<promises>[\d,]+))?\}$")
TABLE = re.compile(r"^\[\[(?P<name>[a-z ]+)\]\]$")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a document; `promises` are the numbers of the promises that it states."""

    id: str
    title: str
    short: str
    blocks: tuple[str, ...]
    promises: frozenset[int]

    @property
    def is_wide(self) -> bool:
        """Whether a table in it needs the whole width of the page."""
        return "[[everything]]" in self.blocks

    @property
    def html(self) -> SafeString:
        """The text as it is shown, its tables made now."""
        return format_html_join("\n", "{}", ((_block(one, self.title),) for one in self.blocks))


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document."""

    title: str
    version: str
    updated: date
    effective: date
    is_material: bool
    summary: str
    parts: tuple[Part, ...]


@cache
def versions(kind: Kind) -> tuple[Document, ...]:
    """Return all versions, newest first. Raises ValueError for a file that is not well formed."""
    if kind == "subprocessors":
        return (_subprocessors(),)
    files = sorted(FOLDERS[kind].glob("*.md"), reverse=True)
    return tuple(_read(file.read_text()) for file in files)


def _read(text: str) -> Document:
    _, head, body = text.split("---\n", 2)
    facts = dict(line.split(": ", 1) for line in head.strip().splitlines())
    return Document(
        title=facts["title"],
        version=facts["version"],
        updated=date.fromisoformat(facts["updated"]),
        effective=date.fromisoformat(facts["effective"]),
        is_material=facts["material"] == "yes",
        summary=facts["summary"],
        parts=tuple(_part(part) for part in body.strip().removeprefix("## ").split("\n## ")),
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
    )


def _part(text: str) -> Part:
    heading, _, rest = text.partition("\n")
    found = HEADING.match(heading)
    blocks = [block.strip() for block in re.split(r"\n\s*\n", rest.strip())]
    if not found or not blocks[0].startswith("> "):
        raise ValueError(f"A part needs a heading with an id, and a summary: {heading}")
    return Part(
        id=found["id"],
        title=found["title"],
        short=" ".join(line.removeprefix(">").strip() for line in blocks[0].splitlines()),
        blocks=tuple(blocks[1:]),
        promises=frozenset(
            int(number) for number in (found["promises"] or "").split(",") if number
        ),
    )


def _block(block: str, title: str) -> SafeString:
    if made := TABLE.match(block):
        return table(TABLES[made["name"]](), title)
    if block.startswith("- "):
        items = (block.removeprefix("- ")).split("\n- ")
        return format_html(
            "<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((_inline(i),) for i in items))
        )
    return format_html("<p>{}</p>", _inline(block))


def table(rows: Rows, title: str) -> SafeString:
    """Show rows as a table that becomes cards on a phone; the first row is its head."""
    columns, *body = rows
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
        " policy__table--wide" if len(columns) > 3 else "",
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
