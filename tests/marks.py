"""The mark that stands for a prompt in tests: wherever it turns up, a prompt could have."""

from pathlib import Path

MARK = "PROMPTMARKq7Zx"


def found_in(place: Path) -> list[Path]:
    """Return the files below a directory that hold the mark: tables, write-ahead log, logs, mails."""
    return [path for path in place.rglob("*") if path.is_file() and holds(path)]


def holds(path: Path, text: str = MARK) -> bool:
    """Say whether a file holds a text."""
    mark, before = text.encode(), b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                if mark in before + chunk:
                    return True
                before = chunk[-len(mark) :]
    except OSError:
        return False  # gone meanwhile, or a socket
    return False
