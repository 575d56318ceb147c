"""One real group for all disasters; each test leaves it as it found it: running."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.faults.ledger import Ledger
from tests.faults.scene import forks, held, place, scene  # noqa: F401 - fixtures
from tests.group import Group, running_group

# Room for the cluster, its write-ahead log and the static files; little enough to fill in a moment.
DISK_BYTES = 400 * 2**20


@pytest.fixture(scope="session")
def group() -> Iterator[Group]:
    with running_group(disk_bytes=DISK_BYTES) as running:
        yield running


@pytest.fixture(scope="session")
def company(group: Group) -> SimpleNamespace:
    return group.open_company()


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """Everything that was ever acknowledged: each test adds to it, and none may lose any of it."""
    return Ledger()


@pytest.fixture
def post(group: Group, company: SimpleNamespace, ledger: Ledger) -> Callable[..., httpx.Response]:
    """Send a batch and note what becomes of it."""

    def send(events: list[dict[str, Any]], tries: int = 1) -> httpx.Response:
        ledger.begin(events)
        answer = httpx.post(
            f"{group.url}/v1/events",
            json=events,
            headers={"Authorization": f"Bearer {company.key}"},
            timeout=30,
        )
        ledger.hold(answer)
        if answer.status_code == 200:
            ledger.acknowledge(events, answer.json(), tries=tries)
        else:
            ledger.refused.append(events)
        return answer

    return send


@pytest.fixture
def resend(post: Callable[..., httpx.Response], ledger: Ledger) -> Callable[[], None]:
    """Do what every 503 says: send it again, with the same ids."""

    def send_all() -> None:
        assert ledger.refused
        refused, ledger.refused = ledger.refused, []
        for events in refused:
            assert post(events, tries=2).status_code == 200

    return send_all
