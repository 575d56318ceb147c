"""A colour belongs to a model for good: to its name, not to its rank."""

from collections.abc import Iterable
from zlib import crc32

COLOURS = 8


def colours(usual: Iterable[str], shown: Iterable[str]) -> dict[str, int]:
    """Return a colour from 1 to 8 for each model.

    Each has a home that its name alone decides. Where two of a project's `usual` models share one,
    the later in the alphabet takes the next free colour, whatever happens to be `shown`.
    """
    taken: dict[str, int] = {}
    for name in [*sorted(set(usual)), *sorted(set(shown))]:
        if name in taken:
            continue
        home = crc32(name.encode()) % COLOURS
        free = [
            colour
            for step in range(COLOURS)
            if (colour := (home + step) % COLOURS + 1) not in taken.values()
        ]
        taken[name] = free[0] if free else home + 1
    return taken
