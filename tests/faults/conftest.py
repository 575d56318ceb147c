"""One real group for all disasters; each test leaves it as it found it: running."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

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
