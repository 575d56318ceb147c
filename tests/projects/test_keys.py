"""Keys: what they look like, how they are kept, and when they stop."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from llmcost.tenancy.context import tenant
from projects import services
from projects.keys import resolve
from projects.keys.format import ALPHABET, checksum, is_well_formed, new_key
from projects.models import ApiKey, Scope
from tests.calls import CALL

BEGAN = datetime(2026, 11, 20, 12, tzinfo=UTC)


@given(
    kind=st.sampled_from(["live", "test"]),
    place=st.integers(0, 47),
    other=st.sampled_from(ALPHABET),
)
def test_a_key_with_one_wrong_character_is_known_without_asking_anybody(kind, place, other):
    key = new_key(kind)

    assert re.fullmatch(r"llmc_(live|test)_[0-9A-Za-z]{32}[0-9A-Za-z]{6}", key)
    assert is_well_formed(key)
    broken = key[:place] + other + key[place + 1 :]
    assert is_well_formed(broken) == (broken == key)
    assert not is_well_formed(key.replace(kind, "test" if kind == "live" else "live"))


def test_the_checksum_is_the_documented_one():
    start = "llmc_test_" + "0" * 32

    assert start + checksum(start) == "llmc_test_" + "0" * 32 + checksum(start)
    assert len(checksum(start)) == 6


def test_the_key_itself_is_nowhere_in_the_database(acme, api):
    api(acme.key, "POST", "/v1/events", CALL)

    with tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute(
            " UNION ALL ".join(f'SELECT to_jsonb(t)::text FROM "{table}" AS t' for table in tables)
        )
        everything = "\n".join(row for (row,) in cursor.fetchall())
    assert acme.key_row.hint in everything
    assert acme.key[10:-6] not in everything


@pytest.mark.parametrize("key", [
    None, "", "x", "llmc_live_", "llmc_live_" + "0" * 38, "llmc_test_" + "é" * 38, new_key("live"), new_key("test"), "\x00", "a" * 10_000,
], ids=[f"key {n}" for n in range(10)])  # fmt: skip
def test_unknown_malformed_and_missing_keys_are_answered_alike(acme, api, key):
    answer = api(key, "GET", "/v1/usage")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (
        "invalid_key",
        api(None, "GET", "/v1/usage").json()["error"]["message"],
    )


def test_garbage_costs_no_query(acme, api, django_assert_num_queries):
    with django_assert_num_queries(0):
        api("llmc_live_" + "0" * 38, "GET", "/v1/usage")


def test_another_scheme_is_no_key(acme, api):
    answer = api(None, "GET", "/v1/usage", headers={"Authorization": f"Basic {acme.key}"})

    assert answer.status_code == 401


@pytest.fixture
def wait(monkeypatch):
    """Let seconds pass, on the wall clock and on the monotonic one."""
    passed = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(resolve, "time", SimpleNamespace(monotonic=lambda: passed.seconds))
    with time_machine.travel(BEGAN, tick=False) as clock:

        def wait(seconds):
            passed.seconds += seconds
            clock.shift(timedelta(seconds=seconds))

        yield wait


def test_a_revoked_key_is_refused_within_five_seconds(acme, api, wait):
    assert api(acme.key, "POST", "/v1/events", CALL).status_code == 200
    with tenant(acme.account.pk):
        assert services.revoke_key(acme.key_row, by=acme.owner)
        assert not services.revoke_key(acme.key_row, by=acme.owner)
    wait(5)

    answer = api(acme.key, "POST", "/v1/events", CALL)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_key")


def test_the_time_of_use_is_written_once_a_minute_not_per_request(acme, api, wait):
    seen = set()
    for _ in range(24):
        api(acme.key, "POST", "/v1/events", [])
        with tenant(acme.account.pk):
            seen.add(ApiKey.objects.get(pk=acme.key_row.pk).last_used_at)
        wait(5)

    assert seen == {BEGAN, BEGAN + timedelta(minutes=1)}


def test_a_remembered_key_costs_no_query(acme, api, django_assert_max_num_queries):
    api(acme.key, "POST", "/v1/events", [])

    with django_assert_max_num_queries(0):
        assert api(acme.key, "POST", "/v1/events", []).status_code == 200


def test_a_pepper_can_be_replaced_and_the_hash_follows(acme, api, settings):
    before = acme.key_row.digest
    settings.KEY_PEPPERS = [*settings.KEY_PEPPERS, "new"]
    resolve.forget()

    assert api(acme.key, "POST", "/v1/events", CALL).status_code == 200

    with tenant(acme.account.pk):
        assert ApiKey.objects.get(pk=acme.key_row.pk).digest != before
    settings.KEY_PEPPERS = ["new"]
    resolve.forget()
    assert api(acme.key, "POST", "/v1/events", CALL).status_code == 200


def test_a_key_opens_only_what_its_scopes_name(acme, api):
    with tenant(acme.account.pk):
        _, reader = services.issue_key(acme.project, name="r", scopes=[Scope.READ], by=acme.owner)

    answer = api(reader, "POST", "/v1/events", CALL)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "missing_scope")
    assert "ingest" in answer.json()["error"]["message"]


def test_a_key_cannot_point_at_another_companys_project(acme, globex):
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic(), tenant(acme.account.pk):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO projects_apikey (account_id, project_id, name, digest, hint, scopes) VALUES (%s, %s, 'x', 'x', 'x', '{read}')",
                [acme.account.pk, globex.project.pk],
            )
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_what_a_key_sends_and_reads_is_its_projects_alone(acme, globex, api):
    api(acme.key, "POST", "/v1/events", CALL)

    assert api(globex.key, "GET", "/v1/usage").json()["data"][0]["calls"] == 0


def test_no_log_line_holds_a_key(acme, api, log_lines):
    api(acme.key, "GET", f"/v1/usage?key={acme.key}")
    api(acme.key, "GET", f"/v1/{acme.key}")
    api(acme.key, "POST", "/v1/events", acme.key, headers={"User-Agent": acme.key})
    import logging

    logging.getLogger("x").warning("seen", extra={"what": f"Bearer {acme.key}"})

    assert "llmc_live_…" in log_lines()
    assert acme.key[10:] not in log_lines()


def test_the_documented_scanner_finds_keys_and_nothing_else():
    page = (settings.BASE_DIR / "docs/security/token-format.md").read_text()
    pattern = re.search(r"```text\n(\(\?:.*)\n```", page)[1]
    known: dict[str, object] = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], known)
    key = new_key("live")

    assert re.search(pattern, f'KEY="{key}"')[1] == key
    assert not re.search(pattern, f"{key}0")
    assert known["is_key"](key)
    assert not known["is_key"]("llmc_live_" + "0" * 38)
