"""A colour belongs to a model for good: to its name, not to its rank."""

from collections.abc import Iterable
from zlib import crc32

COLOURS = 8


def colours(usual: Iterable[str], shown: Iterable[str]) -> dict[str, int]:
    """Return a colour from 1 to 8 for each model; at most eight are `shown`, and they all differ.

    Each has a home that its name alone decides. Where two of a project's `usual` models share one,
    the later in the alphabet takes the next free colour, whatever happens to be shown; a model
    that is not usual makes way for those that are.
    """
    usual, shown = sorted(set(usual))[:COLOURS], sorted(set(shown))
    taken: dict[str, int] = {}
    for name in usual:
        taken[name] = _free(name, taken.values())
    for name in shown:
        if name not in taken:
            taken[name] = _free(name, [taken[one] for one in shown if one in taken])
    return taken


def _free(name: str, taken: Iterable[int]) -> int:
    home, taken = crc32(name.encode()) % COLOURS, set(taken)
    return next(
        colour for step in range(COLOURS) if (colour := (home + step) % COLOURS + 1) not in taken
    )
