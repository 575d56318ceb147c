"""A ZIP that anybody may have made, read without trusting a byte of it.

Nothing is unpacked to disk, so no name in it leads anywhere. Every file is read through, some of
it at a time, up to the size and against the checksum that the manifest states.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_IFMT, S_IFREG
from typing import Annotated, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo, is_zipfile

import msgspec

from privacy.exports.portability import CALLS, DECISIONS, RATES
from privacy.exports.services import FORMAT_VERSION

MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 32 << 20
# A call of ours is packed to a twentieth, one with three labels that repeat to a fiftieth.
MOST_RATIO, RATIO_COUNTS_FROM = 200, 10 << 20
# A call with five long texts has some kilobytes; a reason that somebody wrote may have more.
MOST_LINE_BYTES = 1 << 20
CHUNK = 256 << 10
_ENCRYPTED = 1
_SAFE = r"[\w.=/-]{1,120}"
_TABLES = "|".join(sorted(DECISIONS.keys() - {CALLS, RATES}))
_KNOWN = re.compile(
    rf"README\.md|{RATES}\.json|(?:{_TABLES})\.(?:json|csv)"
    rf"|{CALLS}/[-a-zA-Z0-9_]{{1,60}}/part-\d{{5,}}\.(?:json|csv|parquet)",
    re.ASCII,
)
# What msgspec's sentences repeat of a file: values, and names of fields, which can be words too.
_REPEATED = re.compile(
    r"(?<=^Invalid enum value) .*|(?<=unknown field) (?!`[\w.-]{1,64}`\Z).*", re.DOTALL | re.ASCII
)
_PATTERN = re.compile(r"matching regex .*")
_PLACE = re.compile(r"`\$[\w.\[\]]*`", re.ASCII)


class ImportRefused(Exception):
    """Says which file and line is wrong, and why, without a value of it; nothing was written."""


class File(msgspec.Struct):
    """A file of an export, as its manifest lists it."""

    name: str
    bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Manifest(msgspec.Struct):
    """What an export says about itself."""

    format: int
    calls: Annotated[int, msgspec.Meta(ge=0)]
    files: list[File]


class _Format(msgspec.Struct):
    format: Annotated[int, msgspec.Meta(ge=1)]


class Unpacked:
    """An export that holds the files which its manifest lists; their content is unread yet."""

    def __init__(self, archive: ZipFile, manifest: Manifest, sha256: str) -> None:
        self._archive, self.manifest, self.sha256 = archive, manifest, sha256
        self.files: Mapping[str, File] = {file.name: file for file in manifest.files}

    @property
    def call_files(self) -> list[File]:
        """The parts of the calls that are read: those in JSON."""
        return [
            file
            for file in self.manifest.files
            if file.name.startswith(f"{CALLS}/") and file.name.endswith(".json")
        ]

    def rows(self, table: str, kind: type[Any]) -> Iterator[Any]:
        """Yield the rows of a table, each checked. Raises ImportRefused."""
        name = f"{table}.json"
        if name not in self.files:
            raise ImportRefused(f"{name} is missing.")
        for _, row in self.lines(self.files[name], kind):
            yield row

    def lines(self, file: File, kind: type[Any]) -> Iterator[tuple[int, Any]]:
        """Yield the lines of a file of JSON with their numbers. Raises ImportRefused."""
        decode = msgspec.json.Decoder(kind).decode
        for number, line in enumerate(_lines(file, self.chunks(file)), start=1):
            try:
                yield number, decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise ImportRefused(f"{file.name}, line {number}: {_reason(error)}.") from None

    def chunks(self, file: File) -> Iterator[bytes]:
        """Yield a file's content, and at its end hold it against the manifest.

        Raises ImportRefused.
        """
        digest, left = hashlib.sha256(), file.bytes
        with _refusing(file.name), self._archive.open(file.name) as content:
            while chunk := content.read(CHUNK):
                left -= len(chunk)
                digest.update(chunk)
                if left < 0:
                    break
                yield chunk
        if left or digest.hexdigest() != file.sha256:
            raise ImportRefused(f"{file.name} is not what the manifest says: its checksum differs.")


@contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """Open an export of ours. Raises ImportRefused for anything else."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror}.") from None
    with file:
        if not is_zipfile(file):
            raise ImportRefused(
                "The file is not a ZIP. Only an export of everything can be read in, not what is"
                " held about one person or one end user."
            )
        with _refusing("The file"):
            archive = ZipFile(file)
        entries = _entries(archive, path.stat().st_size)
        manifest, digest = _manifest(archive, entries)
        _require_known_files(manifest, entries)
        yield Unpacked(archive, manifest, digest)


def _require_known_files(manifest: Manifest, entries: Mapping[str, ZipInfo]) -> None:
    listed = [file.name for file in manifest.files]
    if len(set(listed)) != len(listed) or {*listed, MANIFEST} != entries.keys():
        raise ImportRefused(f"{MANIFEST} does not list the files that are there.")
    for name in listed:
        if not _KNOWN.fullmatch(name):
            raise ImportRefused(f"{_shown(name)} is no file of an export that this release knows.")
        if name.endswith(".parquet") and f"{name.removesuffix('.parquet')}.json" not in entries:
            raise ImportRefused(f"{name} has no JSON beside it, from which calls are read.")


def _entries(archive: ZipFile, packed_bytes: int) -> Mapping[str, ZipInfo]:
    """Return what is in the archive by name, if it is nothing but plain files."""
    entries: dict[str, ZipInfo] = {}
    for info in archive.infolist():
        name = _shown(info.filename)
        if info.filename in entries:
            raise ImportRefused(f"{name} is in the ZIP twice.")
        if info.flag_bits & _ENCRYPTED:
            raise ImportRefused(f"{name} is encrypted.")
        mode = S_IFMT(info.external_attr >> 16)
        if info.is_dir() or mode not in (0, S_IFREG):
            raise ImportRefused(f"{name} is a folder or a link, not a file.")
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ImportRefused(f"{name} is packed in a way that we do not use.")
        entries[info.filename] = info
    whole = sum(info.file_size for info in entries.values())
    if whole > max(RATIO_COUNTS_FROM, packed_bytes * MOST_RATIO):
        raise ImportRefused("Unpacked it would be far larger than any export of ours.")
    return entries


def _manifest(archive: ZipFile, entries: Mapping[str, ZipInfo]) -> tuple[Manifest, str]:
    if MANIFEST not in entries:
        raise ImportRefused(f"{MANIFEST} is missing: this is no export of ours, or half of one.")
    if entries[MANIFEST].file_size > MOST_MANIFEST_BYTES:
        raise ImportRefused(f"{MANIFEST} is too large.")
    with _refusing(MANIFEST):
        written = archive.read(MANIFEST)
    try:
        version = msgspec.json.decode(written, type=_Format).format
        if version > FORMAT_VERSION:
            raise ImportRefused(
                f"This export has format {version}, and this release reads up to {FORMAT_VERSION}:"
                " update LLM Cost Tracker here, then read it in."
            )
        manifest = msgspec.json.decode(written, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ImportRefused(f"{MANIFEST}: {_reason(error)}.") from None
    return manifest, hashlib.sha256(written).hexdigest()


def _lines(file: File, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut chunks into lines; a file that is not empty ends with the end of a line."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if max(map(len, (*whole, rest))) > MOST_LINE_BYTES:
            raise ImportRefused(f"{file.name} has a line of more than {MOST_LINE_BYTES:,} bytes.")
        yield from whole
    if rest:
        yield rest


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Say in one sentence that a ZIP is broken, whatever the reader stumbles over in it."""
    try:
        yield
    except (
        *(BadZipFile, OSError, EOFError, zlib.error, struct.error),
        *(ValueError, NotImplementedError, RuntimeError),
    ) as error:
        # The reader's own sentence may repeat names and bytes of the file.
        raise ImportRefused(f"{what} cannot be read as a ZIP ({type(error).__name__}).") from None


def _reason(error: Exception) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return "is no JSON"
    sentence, _, place = str(error).rpartition(" - at ")
    said = _PATTERN.sub("without control characters", _REPEATED.sub("", sentence or place))
    return f"{said} - at {place}" if sentence and _PLACE.fullmatch(place) else said


def _shown(name: str) -> str:
    """Return a file's name if it is an ordinary one; a strange one is not repeated."""
    return name if re.fullmatch(_SAFE, name, re.ASCII) else "A file with a strange name"
