"""The tables of the policy that are made from the inventory: `[[name]]` in a document's text.

So the policy cannot say less than what is stored; nothing of it is written twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.utils.text import capfirst

from events.ingest.wire import FIELDS
from llmcost.inventory import Category, Declared, Recipient, Subject
from privacy.inventory.registry import inventory
from privacy.policy.subprocessors import processors

Rows = list[list[str]]
EVENT = "events_event"
# Filled only where somebody's analytics ask for consent, which a version of the policy says first.
CONSENT = "privacy_consent"
# Promised by name; what a call carries besides are counts of the same kind.
NINE = (
    *("model", "input_tokens", "output_tokens", "cost_usd", "latency_ms", "feature"),
    *("user_id", "prompt_version", "created_at"),
)


@dataclass(frozen=True, slots=True)
class Holding:
    """Columns that are of one kind and treated alike: what the record of processing lists."""

    category: Category
    subject: Subject
    basis: str
    retention: str
    recipients: tuple[Recipient, ...]
    purposes: tuple[str, ...]
    columns: tuple[str, ...]


def holdings() -> list[Holding]:
    """Return everything that is stored about somebody, most of it first."""
    from privacy.policy.documents import versions  # noqa: PLC0415 - which shows these tables

    groups: dict[tuple[object, ...], list[tuple[str, Declared]]] = {}
    for table, columns in inventory().items():
        if table == CONSENT and not versions("privacy")[0].analytics:
            continue
        for name, one in columns.items():
            if one.subject is Subject.NOBODY:
                continue
            key = (one.subject, one.category, one.basis, one.retention, one.recipients)
            groups.setdefault(key, []).append((f"{table}.{name}", one))
    found = [
        Holding(
            category=one.category,
            subject=one.subject,
            basis=one.basis,
            retention=one.retention,
            recipients=one.recipients,
            purposes=tuple(dict.fromkeys(other.purpose for _, other in members)),
            columns=tuple(name for name, _ in members),
        )
        for members in groups.values()
        for _, one in members[:1]
    ]
    order = list(Subject), list(Category)
    return sorted(
        found, key=lambda one: (order[0].index(one.subject), order[1].index(one.category))
    )


def held_by(recipient: Recipient) -> list[str]:
    """Return what a processor gets to hold, in the words of the policy."""
    return list(dict.fromkeys(_what(one) for one in holdings() if recipient in one.recipients))


def _what(one: Holding) -> str:
    return f"{capfirst(one.category)} ({one.subject})"


def _fields(names: Iterable[str]) -> Iterator[list[str]]:
    declared = inventory()[EVENT]
    for name in names:
        yield [f"`{name}`", declared[name].meaning, declared[name].purpose]


def _nine() -> Rows:
    return [["Field", "What it is", "Why"], *_fields(NINE)]


def _further() -> Rows:
    more = [name for name in inventory()[EVENT] if name in FIELDS and name not in NINE]
    return [["Field", "What it is", "Why"], *_fields(more)]


def _everything() -> Rows:
    head = ["What", "Why", "How long", "On which ground", "Who holds it beside us"]
    rows = [
        [
            _what(one),
            "; ".join(one.purposes),
            str(one.retention),
            str(one.basis),
            ", ".join(one.recipients),
        ]
        for one in holdings()
    ]
    return [head, *rows]


def _processors() -> Rows:
    return [["Who", "What for"], *([capfirst(one.name), one.does] for one in processors())]


TABLES: Mapping[str, Callable[[], Rows]] = {
    "nine fields": _nine,
    "further counts": _further,
    "everything": _everything,
    "processors": _processors,
}
