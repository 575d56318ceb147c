"""Reading an export into another installation: checked whole first, then written.

Nothing is written before every file has its checksum and every line its form. Calls keep their
ids, times, costs and rates, so that every report is the same afterwards; a reading that was
killed is repeated, and finds what it has written.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID
from zipfile import BadZipFile, ZipFile
from zoneinfo import available_timezones

import msgspec
from django.db import connection, transaction

from accounts import audit
from accounts.models import Account, AuditEvent, Membership, Role, User
from accounts.services import open_account
from events.ingest.identity import id_month
from events.ingest.store import FOLD
from events.ingest.validate import COST_LIMIT
from events.ingest.wire import Aware, Count
from events.sql import statement
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import signed_in, tenant
from privacy.exports.services import FORMAT_VERSION
from projects.models import Project

BATCH = 2_000
MOST_LINE_BYTES = 1 << 20
_encode = msgspec.json.Encoder(decimal_format="string").encode


class ImportRefused(Exception):
    """Says which file and line is wrong, and why; nothing was written."""


_CLEAN = r"^[^\x00-\x1f\x7f-\x9f]*$"
_Text = Annotated[str, msgspec.Meta(max_length=200, pattern=_CLEAN)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=_CLEAN)]
_Sources = Literal["caller", "catalogue", "override", "unpriced"]


class _Call(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    event_id: UUID
    id_month: int
    created_at: Aware
    received_at: Aware
    model: _Name
    input_tokens: Count
    output_tokens: Count
    cost_source: _Sources
    status: Literal["ok", "error", "aborted"]
    rate_id: int | None = None
    provider: _Text | None = None
    cached_input_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_write_1h_tokens: Count | None = None
    input_audio_tokens: Count | None = None
    cached_audio_tokens: Count | None = None
    input_image_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    output_audio_tokens: Count | None = None
    output_image_tokens: Count | None = None
    web_search_requests: Count | None = None
    latency_ms: Count | None = None
    cost_usd: Decimal | None = None
    catalogue_cost_usd: Decimal | None = None
    unpriced_reason: _Text | None = None
    service_tier: _Text | None = None
    feature: _Text | None = None
    user_id: _Text | None = None
    prompt_version: _Text | None = None

    def __post_init__(self) -> None:
        """Hold what the database holds of every call. Raises ValueError (msgspec adds where)."""
        for cost in (self.cost_usd, self.catalogue_cost_usd):
            if cost is not None and not (cost.is_finite() and 0 <= cost < COST_LIMIT):
                raise ValueError("a cost must be from 0 to below 10,000,000,000")
        if (self.cost_usd is None) != (self.cost_source == "unpriced"):
            raise ValueError("a call is unpriced exactly when it has no cost")
        if self.id_month != id_month(self.event_id):
            raise ValueError("`id_month` does not belong to `event_id`")


class _Project(msgspec.Struct):
    slug: Annotated[str, msgspec.Meta(max_length=60, pattern=r"^[-a-zA-Z0-9_]+$")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=_CLEAN)]
    timezone: str

    def __post_init__(self) -> None:
        if self.timezone not in available_timezones():
            raise ValueError("`timezone` is not known here")


class _Company(msgspec.Struct):
    name: _Name


class _Rate(msgspec.Struct):
    id: int
    catalogue: str
    provider: str
    model: str
    units: Any
    first_used_at: datetime


class _File(msgspec.Struct):
    name: str
    bytes: int
    sha256: str


class _Manifest(msgspec.Struct):
    format: int
    calls: int
    files: list[_File]


def read_export(path: Path, *, owner: User) -> tuple[Account, int]:
    """Read an export into a new account of `owner`; return it and how many calls were new.

    The same export read again by the same owner goes on in the same account. Raises ImportRefused.
    """
    try:
        with ZipFile(path) as archive:
            manifest = _check(archive)
            account = _account(archive, owner)
            _write_rates(_lines(archive, "rates.json", _Rate))
            new = sum(_write_calls(account, archive, file) for file in _call_files(manifest))
    except (BadZipFile, OSError, KeyError) as error:
        raise ImportRefused(f"{path} is not an export of ours: {type(error).__name__}.") from error
    return account, new


def _check(archive: ZipFile) -> _Manifest:
    """Look at every byte and every line before anything is written."""
    try:
        manifest = msgspec.json.decode(archive.read("manifest.json"), type=_Manifest)
    except msgspec.MsgspecError as error:
        raise ImportRefused(f"manifest.json: {error}") from None
    if manifest.format != FORMAT_VERSION:
        raise ImportRefused(
            f"This export has format {manifest.format}; this release reads {FORMAT_VERSION}."
        )
    there = set(archive.namelist()) - {"manifest.json"}
    if there != {file.name for file in manifest.files}:
        raise ImportRefused("manifest.json does not list the files that are there.")
    for file in manifest.files:
        digest = hashlib.sha256()
        with archive.open(file.name) as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
        if digest.hexdigest() != file.sha256:
            raise ImportRefused(f"{file.name} is not what the manifest says: its checksum differs.")
    projects = {project.slug for project in _lines(archive, "projects_project.json", _Project)}
    calls = 0
    for file in _call_files(manifest):
        if file.name.split("/")[1] not in projects:
            raise ImportRefused(f"{file.name} is of a project that the export does not hold.")
        calls += sum(1 for _ in _lines(archive, file.name, _Call))
    if calls != manifest.calls:
        raise ImportRefused(
            f"The export holds {calls:,} calls, its manifest says {manifest.calls:,}."
        )
    return manifest


def _call_files(manifest: _Manifest) -> list[_File]:
    return [
        file
        for file in manifest.files
        if file.name.startswith("calls/") and file.name.endswith(".json")
    ]


def _lines(archive: ZipFile, name: str, kind: type[Any]) -> Iterator[Any]:
    decode = msgspec.json.Decoder(kind, strict=False).decode
    with archive.open(name) as file:
        for number, line in enumerate(iter(lambda: file.readline(MOST_LINE_BYTES), b""), start=1):
            try:
                yield decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                # The reason names a field and a type, never a value.
                reason = error if isinstance(error, msgspec.ValidationError) else "is no JSON"
                raise ImportRefused(f"{name}, line {number}: {reason}.") from None


@transaction.atomic
def _account(archive: ZipFile, owner: User) -> Account:
    """Open the account with its projects, or find the one that an earlier reading has opened."""
    subject = hashlib.sha256(archive.read("manifest.json")).hexdigest()
    with signed_in(owner.pk):
        own = Membership.objects.filter(user_id=owner.pk, role=Role.OWNER).order_by("pk")
        account_ids = list(own.values_list("account_id", flat=True))
    for account_id in account_ids:
        with tenant(account_id):
            trail = AuditEvent.objects.filter(account_id=account_id, action="data.imported")
            if trail.filter(subject=subject).exists():
                return Account.objects.get(pk=account_id)
    [company] = _lines(archive, "accounts_account.json", _Company)
    account = open_account(user=owner, company=company.name)
    with tenant(account.pk):
        Project.objects.filter(account_id=account.pk).delete()
        for project in _lines(archive, "projects_project.json", _Project):
            Project.objects.create(
                account=account, slug=project.slug, name=project.name, timezone=project.timezone
            )
        audit.record(account.pk, "data.imported", by=owner, subject=subject)
    return account


def _write_rates(rates: Iterator[_Rate]) -> None:
    with connection.cursor() as cursor:
        for rate in rates:
            cursor.execute(
                "INSERT INTO events_rate (id, catalogue, provider, model, units, first_used_at)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    rate.id,
                    rate.catalogue,
                    rate.provider,
                    rate.model,
                    msgspec.json.encode(rate.units).decode(),
                    rate.first_used_at,
                ],
            )


def _write_calls(account: Account, archive: ZipFile, file: _File) -> int:
    new = 0
    calls = _lines(archive, file.name, _Call)
    while batch := list(islice(calls, BATCH)):
        with tenant(account.pk), connection.cursor() as cursor:
            project = Project.objects.get(account_id=account.pk, slug=file.name.split("/")[1])
            values = {
                "account": account.pk,
                "project": project.pk,
                "calls": _encode(batch).decode(),
            }
            cursor.execute(statement("import_events"), values)
            new += cursor.fetchone()[0]
            due.schedule(FOLD, account.pk, clock.now())
    return new
