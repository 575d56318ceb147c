"""A broken or foreign file is refused whole: line and reason named, nothing written or repeated."""

import hashlib
import io
import json
import struct
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy.exports.services import FORMAT_VERSION
from tests.calls import CALL
from tests.conftest import forget_everything, open_company
from tests.privacy.elsewhere import contents, export_of, installation, rows_of, somebody
from tests.privacy.test_erasure import post

OWNER = "new@owner.example"
PART = "calls/prod/part-00001.json"
SECRET = "CANARY-secret"


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker, database_name, tmp_path_factory):
    """An export with three calls, made once, and the installation that shall not take others."""
    folder = tmp_path_factory.mktemp("refusals")
    name = f"{database_name}_refusing"
    with (
        installation(name, django_db_blocker) as there,
        override_settings(EXPORT_DIR=folder / "exports", ERASURE_LOG=folder / "erasures.jsonl"),
        there(),
    ):
        forget_everything()
        source = open_company("Firm", "owner@firm.example")
        post(
            source.key,
            {**CALL, "created_at": "2024-02-29T12:00:00Z", "cost_usd": "0.1"},
            {**CALL, "created_at": "2025-02-28T12:00:00Z", "model": "nobody-knows-it"},
            {**CALL, "created_at": "2026-02-28T12:00:00Z", "user_id": "u", "feature": "f"},
        )
        export = export_of(source.account, source.owner)
        somebody(OWNER)
        yield SimpleNamespace(export=export, database=name)


@pytest.fixture
def refused(scene, capsys, log_lines):
    """Read a file that has to be refused, and return what was said of it."""

    def read(path: Path) -> str:
        before = rows_of(scene.database)
        with pytest.raises(CommandError) as error:
            call_command("import_account", str(path), "--owner", OWNER)
        assert error.value.returncode == 1
        assert rows_of(scene.database) == before
        said = str(error.value)
        assert said.endswith(" Nothing was written.")
        assert SECRET not in said + "".join(capsys.readouterr()) + log_lines()
        return said

    return read


def rewritten(path, target, change):
    """A copy with something changed and a manifest that agrees, so that only its content is wrong."""
    files = contents(path)
    manifest = json.loads(files.pop("manifest.json"))
    change(files, manifest)
    for file in manifest["files"]:
        if file["name"] in files:
            content = files[file["name"]]
            file |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with ZipFile(target, "w", ZIP_DEFLATED) as new:
        for name, content in files.items():
            new.writestr(name, content)
        new.writestr("manifest.json", json.dumps(manifest))
    return target


def line(table, number, **fields):
    """Change a line of a table."""

    def change(files, _manifest):
        name = f"{table}.json" if "/" not in table else table
        lines = files[name].splitlines()
        lines[number - 1] = json.dumps({**json.loads(lines[number - 1]), **fields}).encode()
        files[name] = b"\n".join(lines) + b"\n"

    return change


def call(**fields):
    """Change the third call."""
    return line(PART, 3, **fields)


def raw(name, content):
    """Give a file another content."""
    return lambda files, _manifest: files.update({name: content})


def added(name, content=b""):
    """Add a file, and list it."""

    def change(files, manifest):
        files[name] = content
        manifest["files"].append({"name": name, "bytes": 0, "sha256": ""})

    return change


def gone(name):
    """Take a file away, and its line in the manifest."""

    def change(files, manifest):
        files.pop(name)
        manifest["files"] = [file for file in manifest["files"] if file["name"] != name]

    return change


def twice(files, manifest):
    """Let an event id stand in a second part."""
    other = PART.replace("00001", "00002")
    first = json.loads(files[PART].splitlines()[0])
    added(other, json.dumps({**first, "created_at": "2026-01-01T00:00:00Z"}).encode())(
        files, manifest
    )
    manifest["calls"] += 1


def other_prices(files, _manifest):
    rate = json.loads(files["rates.json"].splitlines()[0])
    rate["units"][0]["price"] = "0.5"
    files["rates.json"] = json.dumps(rate).encode()


AHEAD = "2099-01-01T00:00:00Z"
THIRD = f"{PART}, line 3: "
WRONG = [
    # Calls.
    (call(input_tokens=-1), f"{THIRD}Expected `int` >= 0 - at `$.input_tokens`"),
    (call(input_tokens=2**31), f"{THIRD}Expected `int` <= 2147483647 - at `$.input_tokens`"),
    (call(input_tokens="1"), f"{THIRD}Expected `int`, got `str` - at `$.input_tokens`"),
    (call(latency_ms=1.5), f"{THIRD}Expected `int | null`, got `float` - at `$.latency_ms`"),
    (call(cost_usd="NaN"), f"{THIRD}a cost must be"),
    (call(cost_usd="1E+400"), f"{THIRD}a cost must be"),
    (call(cost_usd="0.00000000001"), f"{THIRD}a cost must be"),
    (call(cost_usd=None), f"{THIRD}a call is unpriced exactly"),
    (call(id_month=7), f"{THIRD}`id_month` does not belong to `event_id`"),
    (call(event_id="x"), f"{THIRD}Invalid UUID - at `$.event_id`"),
    (call(prompt=SECRET), f"{THIRD}Object contains unknown field `prompt`"),
    (call(**{f"{SECRET} words": 1}), f"{THIRD}Object contains unknown field."),
    (call(status=SECRET), f"{THIRD}Invalid enum value - at `$.status`"),
    (call(status=f"{SECRET}' - at `$.x`"), f"{THIRD}Invalid enum value"),
    (call(model=""), f"{THIRD}Expected `str` of length >= 1 - at `$.model`"),
    (call(user_id=SECRET * 20), f"{THIRD}Expected `str` of length <= 200 - at `$.user_id`"),
    (call(user_id=f"{SECRET}\0"), f"{THIRD}Expected `str` without control characters"),
    (call(feature=f"{SECRET}\n"), f"{THIRD}Expected `str` without control characters"),
    (call(user_id="\ud800"), f"{THIRD}is no JSON"),
    (call(rate_id=12345), f"{THIRD}its rate is not in rates.json"),
    (call(rate_id=2**63), f"{THIRD}Expected `int` <= 9223372036854775807 - at `$.rate_id`"),
    (call(created_at="2026-01-01T00:00:00"), f"{THIRD}Expected `datetime` with a timezone"),
    (call(created_at="2014-12-31T00:00:00Z"), f"{THIRD}`created_at` must be from 2015"),
    (call(created_at=AHEAD), f"{THIRD}`created_at` must be from 2015"),
    (call(received_at=AHEAD), f"{THIRD}`received_at` must be from 2015"),
    (call(event_id="03b5a6d8-1400-7000-8000-000000000000"), f"{THIRD}`event_id` is a UUIDv7"),
    (raw(PART, b"{"), f"{PART}, line 1: is no JSON"),
    (raw(PART, b"\xff\n"), f"{PART}, line 1: is no JSON"),
    (raw(PART, SECRET.encode() * 90_000), f"{PART} has a line of more than 1,048,576 bytes"),
    (raw(PART, b""), "holds 0 calls, its manifest says 3"),
    (twice, "part-00002.json, line 1: its `event_id` stands twice"),
    (added("calls/other/part-00001.json"), "is of a project that the export does not hold"),
    (added("calls/prod/part-00002.parquet"), "has no JSON beside it"),
    (gone(PART), "has no JSON beside it"),
    # Tables.
    (line("projects_project", 1, timezone=SECRET), "line 1: `timezone` is not known here"),
    (line("projects_project", 1, slug="../x"), "Expected `str` without control characters"),
    (line("projects_project", 1, retention_days=0), "Expected `int` >= 1"),
    (line("projects_project", 1, new_setting=1), "unknown field `new_setting`"),
    (line("projects_project", 1, slug="other"), f"{PART} is of a project that the export does"),
    (line("accounts_account", 1, name=f"{SECRET}\0"), "accounts_account.json, line 1: Expected"),
    (line("accounts_auditevent", 1, at=AHEAD), "accounts_auditevent.json, line 1: `at` must be"),
    (line("accounts_auditevent", 2, actor=SECRET), "line 2: Invalid enum value - at `$.actor`"),
    (line("accounts_auditevent", 1, details={"a": f"{SECRET}\0"}), "without control characters"),
    (line("accounts_auditevent", 1, details={"a": {"b": 1}}), "at `$.details[...]`"),
    (line("accounts_auditevent", 1, details={"a": [1]}), "Expected `str`, got `int`"),
    (line("members", 1, email=SECRET), "members.json, line 1: `email` is no e-mail address"),
    (line("members", 1, role=SECRET), "members.json, line 1: Invalid enum value - at `$.role`"),
    (line("projects_apikey", 1, project_id=999), "is of a project that the export does not hold"),
    (raw("billing_account.json", b'{"a":' + b"[" * 5_000), "billing_account.json, line 1: is no"),
    (raw("billing_account.json", b"[]"), "billing_account.json, line 1: Expected `object`"),
    (raw("accounts_account.json", b""), "accounts_account.json must have one line"),
    (gone("accounts_account.json"), "accounts_account.json is missing"),
    (gone("rates.json"), "rates.json is missing"),
    # Rates, which all accounts share.
    (other_prices, "rates.json, line 1: `id` does not belong to these prices"),
    (line("rates", 1, units=[{"count": "x", "price": "1E-999999", "tiers": [], "inside": []}]), "`units` are no prices"),
    (line("rates", 1, units=[{"count": "x", "price": "NaN", "tiers": [], "inside": []}]), "`units` are no prices"),
    (line("rates", 1, units=[{"count": "x", "price": "1", "tiers": [], "inside": [2**70]}]), "`units` are no prices"),
    # The whole.
    (lambda _, m: m.update(format=FORMAT_VERSION + 1), "update LLM Cost Tracker here, then read"),
    (lambda _, m: m.update(format=0), "manifest.json: Expected `int` >= 1"),
    (lambda _, m: m.update(calls=2), "holds 3 calls, its manifest says 2"),
    (lambda _, m: m.update(calls=SECRET), "manifest.json: Expected `int`, got `str` - at"),
    (lambda _, m: m["files"].append(m["files"][0]), "does not list the files that are there"),
    (lambda f, _: f.pop(PART), "does not list the files that are there"),
    (raw("extra.txt", b""), "does not list the files that are there"),
    *(
        (added(name), f"{name} is no file of an export that this release knows")
        for name in ("extra.txt", "../../etc/passwd", "/etc/passwd", "calls/../x/part-00001.json",
                     "auth_user.json", "calls/prod/part-1.json")
    ),
    (added(f"{SECRET}\x1b[2J"), "A file with a strange name is no file of an export"),
    (added("README.MD"), "README.MD is no file of an export"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"), WRONG, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_wrong_is_named_and_nothing_is_written(scene, refused, tmp_path, change, words):
    assert words in refused(rewritten(scene.export, tmp_path / "wrong.zip", change))


def test_the_same_file_unchanged_is_taken(scene, tmp_path):
    """What the tests here change is not what they would be refused for anyway."""
    same = rewritten(scene.export, tmp_path / "same.zip", lambda _files, _manifest: None)
    said = io.StringIO()
    somebody("same@owner.example")

    call_command("import_account", str(same), "--owner", "same@owner.example", stdout=said)

    assert "3 calls read in" in said.getvalue()


# --- The archive itself ----------------------------------------------------------------------
def entry(name, *, mode=0o100600, kind=ZIP_DEFLATED):
    info = ZipInfo(name)
    info.external_attr, info.compress_type = mode << 16, kind
    return info


def with_entry(scene, path, info, content=b"x"):
    path.write_bytes(scene.export.read_bytes())
    with ZipFile(path, "a") as archive:
        archive.writestr(info, content)
    return path


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (entry("link", mode=0o120777), "link is a folder or a link"),
        (entry("folder/", mode=0o040755), "folder/ is a folder or a link"),
        (entry("packed.json", kind=ZIP_BZIP2), "packed.json is packed in a way that we do not use"),
    ],
)
def test_nothing_but_plain_files_is_taken(scene, refused, tmp_path, info, words):
    assert words in refused(with_entry(scene, tmp_path / "odd.zip", info))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(scene, refused, tmp_path):
    path = with_entry(scene, tmp_path / "twice.zip", entry("README.md"))

    assert "README.md is in the ZIP twice" in refused(path)


def test_an_encrypted_archive_is_refused(scene, refused, tmp_path):
    written = bytearray(scene.export.read_bytes())
    place = written.index(b"PK\x01\x02")
    written[place + 8] |= 1  # the flag of the first entry in the list of contents
    path = tmp_path / "encrypted.zip"
    path.write_bytes(written)

    assert "is encrypted" in refused(path)


def test_an_archive_that_would_fill_the_disk_is_refused_before_it_is_read(refused, tmp_path):
    path = tmp_path / "bomb.zip"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive, archive.open("README.md", "w") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))

    assert "far larger than any export of ours" in refused(path)


def test_a_size_that_is_a_lie_is_refused(scene, refused, tmp_path):
    def change(files, manifest):
        raw("README.md", bytes(5_000))(files, manifest)

    path = rewritten(scene.export, tmp_path / "lie.zip", change)
    written = path.read_bytes()
    place = written.rindex(b"PK\x01\x02", 0, written.rindex(b"README.md"))
    path.write_bytes(written[: place + 24] + struct.pack("<I", 50) + written[place + 28 :])

    assert "README.md" in refused(path)


def test_a_checksum_that_differs_is_refused(scene, refused, tmp_path):
    path = tmp_path / "changed.zip"
    with ZipFile(path, "w") as new:
        for name, content in contents(scene.export).items():
            new.writestr(name, content + (b" " if name == "README.md" else b""))

    assert "README.md is not what the manifest says: its checksum differs" in refused(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_is_refused(scene, refused, tmp_path, share):
    whole = scene.export.read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(whole[: int(len(whole) * share)])

    assert "not a ZIP" in refused(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"as_of": "2026-11-24", "person": [], "accounts": []}', "what is held about one person"),
        (b'{"event_id": "a", "model": "gpt-4o", "user_id": "u"}\n', "or one end user"),
        (b"PK\x05\x06" + b"\0" * 18, "manifest.json is missing"),
        (b"PK\x05\x06" + b"\xff" * 18, "ZIP"),
    ],
)
def test_another_kind_of_file_is_refused(refused, tmp_path, content, words):
    path = tmp_path / "foreign.zip"
    path.write_bytes(content)

    assert words in refused(path)


def test_a_file_that_is_not_there_is_said_to_be(refused, tmp_path):
    assert "cannot be read: No such file or directory" in refused(tmp_path / "nowhere.zip")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8
    )
)
def test_whatever_bytes_are_changed_it_is_refused_in_one_sentence(scene, tmp_path, changes):
    written = bytearray(scene.export.read_bytes())
    for place, byte in changes:
        written[int(place * len(written))] = byte
    path = tmp_path / "noise.zip"
    path.write_bytes(written)

    try:
        call_command("import_account", str(path), "--owner", OWNER, stdout=io.StringIO())
    except CommandError as error:
        assert str(error).endswith(" Nothing was written.")  # noqa: PT017 - some changes do no harm
