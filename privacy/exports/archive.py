"""A ZIP that grows by whole steps, so that a killed worker's half of one can be taken off again.

Adding to a ZIP overwrites its list of contents, which stands at the end. A copy of that list is
put beside the file first; with the length that the database knows, it brings back the last whole
state.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

_FIXED_TIME = (2000, 1, 1, 0, 0, 0)  # the same content is the same file


@contextmanager
def alone_at(path: Path) -> Iterator[bool]:
    """Say whether nobody else writes this file, and keep it so; a killed worker lets go of it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


class GrowingZip:
    """The archive of one export, with `size` bytes and so many `files` if it was begun before.

    Each file's SHA-256 stands beside it in the list of contents, as its comment.
    """

    def __init__(self, path: Path, *, size: int, files: int) -> None:
        self.path = path
        self._zip: ZipFile | None = None
        self._tail = path.with_suffix(".tail")
        if size == 0:
            with ZipFile(self.path, "w"):  # empties the file, and it stays the one that is locked
                pass
        elif self.path.stat().st_size != size or not self._is_whole(files):
            tail = self._tail.read_bytes()
            with self.path.open("r+b") as file:
                file.truncate(size - len(tail))
                file.seek(0, os.SEEK_END)
                file.write(tail)

    @contextmanager
    def step(self) -> Iterator["GrowingZip"]:
        """Add files; afterwards the archive is whole and on disk."""
        with ZipFile(self.path) as before:
            start = before.start_dir
        with self.path.open("rb") as file:
            file.seek(start)
            _write_durably(self._tail, file.read())
        with ZipFile(self.path, "a", ZIP_DEFLATED, allowZip64=True) as self._zip:
            yield self
        self._zip = None
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    @contextmanager
    def file(self, name: str, *, compressed: bool = True) -> Iterator[IO[bytes]]:
        """Write one file of the archive, inside a step."""
        assert self._zip is not None, "a file is written inside a step"
        info = ZipInfo(name, _FIXED_TIME)
        info.compress_type = ZIP_DEFLATED if compressed else ZIP_STORED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            counted = _Counted(file)
            yield counted  # type: ignore[misc]
        info.comment = counted.digest.hexdigest().encode()

    def files(self) -> list[dict[str, str | int]]:
        """List what is in it so far, with size and SHA-256."""
        with nullcontext(self._zip) if self._zip else ZipFile(self.path) as archive:
            return [
                {"name": one.filename, "bytes": one.file_size, "sha256": one.comment.decode()}
                for one in archive.infolist()
            ]

    @property
    def size(self) -> int:
        """The length of the file in bytes."""
        return self.path.stat().st_size

    def close(self) -> None:
        """Drop what only a killed worker would have needed."""
        self._tail.unlink(missing_ok=True)

    def _is_whole(self, files: int) -> bool:
        try:
            with ZipFile(self.path) as archive:
                return len(archive.namelist()) == files
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is taken back
            return False


class _Counted:
    """A file that counts and hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes, self.digest = 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.bytes += len(data)
        self.digest.update(data)
        return self._file.write(data)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
