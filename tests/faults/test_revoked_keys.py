"""A revoked key is refused by every process of a real group, each of which remembers keys."""

import re

import httpx
import pytest

from tests.group import eventually

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("group")]

# Connections are new each time, so that every web worker is met.
TRIES = 30


def answers(group, key) -> set[int]:
    headers = {"Authorization": f"Bearer {key}"}
    return {
        httpx.post(f"{group.url}/v1/events", json=[], headers=headers, timeout=15).status_code
        for _ in range(TRIES)
    }


def post(client, page, address, **fields) -> httpx.Response:
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(page).text)[1]
    return client.post(address, data={"csrfmiddlewaretoken": token, **fields})


def test_a_revoked_key_is_refused_by_every_process_within_five_seconds(group, company):
    page = f"/app/{company.project}/keys/"
    with httpx.Client(base_url=group.url, cookies={"session": company.session}) as client:
        made = post(client, page, page, name="Doomed", scopes="ingest", kind="test")
        key = re.search(r"llmc_test_\w{38}", made.text)[0]
        assert answers(group, key) == {200}
        [key_id] = re.findall(r"keys/(\d+)/revocation", made.text)[:1]

        post(client, page, f"{page}{key_id}/revocation/")

    eventually(lambda: answers(group, key) == {401}, within=5, what="refused everywhere")
