"""A directory of its own for a test that starts servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.up.site import new_place


@pytest.fixture
def place() -> Iterator[Path]:
    with new_place() as directory:
        yield directory
