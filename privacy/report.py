"""Whether this installation keeps its promises now: the registry behind command, page and health.

Each app may have a `promises.py` with checks, found when they are first asked for:

    @promise(15, "requests are answered in time")
    def in_time() -> Outcome: …
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.module_loading import autodiscover_modules

Check = Callable[[], "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether it holds, and what was found, in numbers and our own names."""

    holds: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report."""

    promise: int
    name: str
    holds: bool
    detail: str


_checks: dict[tuple[int, str], Check] = {}


def promise(number: int, name: str) -> Callable[[Check], Check]:
    """Register a check under the number of the promise (docs/privacy-controls.md).

    `name` says what is true when it holds. Raises ValueError for a name that is taken.
    """

    def register(check: Check) -> Check:
        if (number, name) in _checks:
            raise ValueError(f"Promise {number} has a check with this name: {name}")
        _checks[number, name] = check
        return check

    return register


def report() -> list[Line]:
    """Ask every check; in order of the promises."""
    autodiscover_modules("promises")
    lines = []
    for (number, name), check in sorted(_checks.items()):
        outcome = check()
        lines.append(Line(number, name, outcome.holds, outcome.detail))
    return lines


def states() -> dict[str, str]:
    """Return the report as /readyz shows it to anybody: what holds, without details."""
    return {f"{line.promise}: {line.name}": "ok" if line.holds else "broken" for line in report()}
