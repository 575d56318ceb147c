"""What one version of a document says differently from the version before it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from privacy.policy.documents import Document, Part, Table

# Below this share of common words a paragraph is another one and not a changed one.
ALIKE = 0.4
MARKUP = re.compile(r"`|\]\([^)]*\)|\[")


@dataclass(frozen=True, slots=True)
class Change:
    """One part that was changed, added or taken out, with its changes marked."""

    title: str
    what: str
    html: SafeString


def changes(old: Document, new: Document) -> list[Change]:
    """Return the parts that differ, in the new version's order; those that are gone stand last."""
    before = {part.id: part for part in old.parts}
    after = {part.id: part for part in new.parts}
    found = [
        Change(part.title, "changed" if part.id in before else "new", html)
        for part in new.parts
        if (html := _of(before.get(part.id), part))
    ]
    gone = [part for part in old.parts if part.id not in after]
    return found + [Change(part.title, "gone", _marked(_paragraphs(part), [])) for part in gone]


def _of(old: Part | None, new: Part) -> SafeString:
    if old is None:
        return _marked([], _paragraphs(new))
    renamed = old.title != new.title  # the heading of the change says the new one anyway
    titles = ([old.title], [new.title]) if renamed else ([], [])
    return _marked(titles[0] + _paragraphs(old), titles[1] + _paragraphs(new))


def _paragraphs(part: Part) -> list[str]:
    """Return what stands in a part as plain words: paragraphs, and the rows of its tables."""
    lines = [part.short]
    for block in part.blocks:
        if isinstance(block, Table):
            lines += [" · ".join(filter(None, row)) for row in block.rows]
            continue
        lines += block.split("\n- ") if block.startswith("- ") else [block]
    plain = (" ".join(MARKUP.sub("", line.removeprefix("- ")).split()) for line in lines)
    return [line for line in plain if line]


def _marked(old: list[str], new: list[str]) -> SafeString:
    rows = []
    for what, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        rows += [_paragraph(was, now) for was, now in _pairs(old[a:b], new[c:d])]
    return format_html_join("", "<p>{}</p>", ((row,) for row in rows))


def _pairs(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Pair what was with what is now, if it is alike; else each stands for itself."""
    for was, now in zip_longest(old, new, fillvalue=""):
        alike = SequenceMatcher(None, was.split(), now.split(), autojunk=False).ratio() >= ALIKE
        yield from [(was, now)] if alike or not (was and now) else [(was, ""), ("", now)]


def _paragraph(was: str, now: str) -> SafeString:
    old, new = was.split(), now.split()
    pieces = []
    for what, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            pieces.append(format_html("{}", " ".join(new[c:d])))
            continue
        if b > a:
            pieces.append(format_html("<del>{}</del>", " ".join(old[a:b])))
        if d > c:
            pieces.append(format_html("<ins>{}</ins>", " ".join(new[c:d])))
    return format_html_join(" ", "{}", ((piece,) for piece in pieces))
