"""End users whose later calls are not taken, because they were erased and shall stay so.

Who they are knows the app that erases (as keyed hashes); it gives its question to `ask`. The
answer is remembered for a moment, so that ingest costs nothing where nobody was erased so.
"""

import time
from collections.abc import Callable

# For (account, project): says of a user id whether it is refused; None where nobody is.
Question = Callable[[int, int], Callable[[str], bool] | None]

REMEMBER_SECONDS = 4
REMEMBER_PROJECTS = 10_000
CODE, MESSAGE = "user_erased", "was erased, and later calls of it are refused"

_question: Question = lambda _account_id, _project_id: None  # noqa: E731 - nobody asks yet
_remembered: dict[int, tuple[float, Callable[[str], bool] | None]] = {}


def ask(question: Question) -> None:
    """Let an app answer who is refused."""
    global _question
    _question = question


def forget() -> None:
    """Drop what this process remembers."""
    _remembered.clear()


def refused_in(account_id: int, project_id: int) -> Callable[[str], bool] | None:
    """Return what says of a user id whether its calls are refused; None where none is."""
    known = _remembered.get(project_id)
    if known and known[0] > time.monotonic():
        return known[1]
    answer = _question(account_id, project_id)
    if len(_remembered) >= REMEMBER_PROJECTS:
        _remembered.clear()
    _remembered[project_id] = (time.monotonic() + REMEMBER_SECONDS, answer)
    return answer
