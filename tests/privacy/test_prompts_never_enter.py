"""Prompts never enter: marked content through every entrance, then a search of all that is kept.

The whole suite ends with the same search (tests/conftest.py), over what all tests have left.
"""

import gzip
import json
from pathlib import Path

import psycopg
import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from events.ingest.wire import CONTENT_NAMES, FIELDS
from tests import database
from tests.calls import CALL
from tests.conftest import open_company
from tests.marks import MARK, found_in
from tests.privacy.test_erasure import everything

WAYS = {
    "as text": MARK,
    "in a list of messages": [{"role": "user", "content": MARK}],
    "nested": {"a": [{"b": {"c": MARK}}]},
    "as a key": {f"{MARK} as a name": 1},
    "long": MARK * 2_000,
}
QUERIES = [f"?prompt={MARK}", f"?filter.model={MARK}&tz={MARK}", f"?{MARK}=1"]
PUBLIC_FORMS = ["/login/", "/signup/", "/password/reset/", "/contact/", "/privacy/request/"]
APIS = [
    "/v1/events", "/v1/usage", "/v1/users/u", "/v1/keys/leaked", "/v1/inbound-mail",
    "/v1/registrations", "/billing/webhook/", "/v1/nowhere",
]  # fmt: skip


@pytest.fixture
def firm(committed):
    return open_company("Firm", "owner@firm.example")


def bodies():
    """Bodies with the mark in every place that a program could put it."""
    for name in sorted(CONTENT_NAMES):
        yield {**CALL, name: MARK}
    for value in WAYS.values():
        yield {**CALL, "prompt": value}
        yield {**CALL, "harmless_new_field": value}
        yield {**CALL, "input_tokens": value}
        yield {"events": [CALL], "prompt": value}
        yield {"events": [{**CALL, "feature": MARK, "output_tokens": -1}, CALL]}
    for name in FIELDS:
        yield {**CALL, name: {"text": MARK}}
    yield {**CALL, f"{MARK} as a name": 1}  # a name that is one would be named in the answer
    yield {**CALL, "event_id": MARK}
    yield [MARK, [MARK], {"prompt": MARK}]


def broken():
    """Bytes that are no JSON, with the mark in them."""
    text = json.dumps({**CALL, "prompt": MARK})
    yield text[:-3].encode()
    yield text.encode() + b"\xff"
    yield text.encode("utf-16")
    yield gzip.compress(text.encode())[:-5]
    yield MARK.encode()


def pour(firm, database_name) -> list[bytes]:
    """Send all of it; return what was answered."""
    client = Client(
        headers={"User-Agent": MARK, "X-Prompt": MARK, "Referer": f"http://x/{MARK}"},
        raise_request_exception=False,
    )
    client.cookies["prompt"] = MARK
    bearer = {"Authorization": f"Bearer {firm.key}"}
    answers = []

    def send(path, body, kind="application/json", **headers):
        answer = client.generic(
            "POST", path, body, content_type=kind, headers={**bearer, **headers}
        )
        assert answer.status_code != 500, (path, body)
        answers.append(answer.content)

    for body in bodies():
        send("/v1/events", json.dumps(body))
        send("/v1/events", gzip.compress(json.dumps(body).encode()), **{"Content-Encoding": "gzip"})
    for body in broken():
        send("/v1/events", body)
        send("/v1/events", body, **{"Content-Encoding": "gzip"})
        send("/v1/events", body, kind="text/plain")
    for path in APIS:
        send(path, json.dumps({"prompt": MARK, "messages": [MARK]}))
        answers += [client.get(f"{path}{query}", headers=bearer).content for query in QUERIES]
    for path in PUBLIC_FORMS:
        file = SimpleUploadedFile("prompt.txt", MARK.encode())
        answer = client.post(path, {"prompt": MARK, "messages": MARK, "file": file})
        assert answer.status_code in (302, 422), path
        answers.append(answer.content)
    answers += [
        firm.client.get(path, {"prompt": MARK}, headers={"X-Prompt": MARK}).content
        for path in ("/app/", "/account/", "/account/data/", f"/{MARK}/", f"/app/{MARK}/")
    ]
    return answers


def test_marked_content_is_nowhere_afterwards(firm, database_name, log_lines):
    answers = pour(firm, database_name)

    assert len(answers) > 200
    assert not [answer for answer in answers if MARK.encode() in answer]
    assert MARK not in everything(database_name)
    assert MARK not in log_lines()
    assert not [message for message in mail.outbox if MARK in str(message.message())]
    with psycopg.connect(database.admin_dsn(database_name), autocommit=True) as link:
        link.execute("CHECKPOINT")  # so that what was written is in the files
    assert found_in(Path(database.DATA)) == []


def test_the_search_finds_what_is_there(firm, database_name):
    """Or the test above could not fail."""
    with psycopg.connect(database.admin_dsn(database_name), autocommit=True) as link:
        link.execute("CREATE TABLE public.probe AS SELECT %s::text AS text", [MARK[::-1]])
        assert MARK[::-1] in everything(database_name)
        link.execute("CHECKPOINT")
        [name] = link.execute("SELECT pg_relation_filepath('probe')").fetchone()
        link.execute("DROP TABLE public.probe")
    assert (database.server().cluster / name).name.isdigit()
