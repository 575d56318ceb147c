"""What every test of this folder has for itself."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_tombstones(tmp_path: Path, settings: object) -> None:
    """A deletion is remembered outside the database, which a test's rollback does not reach."""
    settings.ERASURE_LOG = tmp_path / "erasures.jsonl"
