"""The recorder of tests/conftest.py, which watches every statement of the whole suite, works."""

import pytest

from events.reports import run
from events.reports.query import UsageQuery
from llmcost.tenancy.context import tenant


def test_a_statement_on_a_big_table_without_its_account_is_noticed(acme, monkeypatch):
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    query = UsageQuery(
        account_id=acme.account.pk, project_id=acme.project.pk, timezone=ZoneInfo("UTC"),
        start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 2, 1, tzinfo=UTC),
    )  # fmt: skip
    with tenant(acme.account.pk):
        assert len(run.usage(query)) == 1
        monkeypatch.setattr(
            run, "_statement", lambda _query: ("SELECT calls FROM events_quarter", {})
        )

        with pytest.raises(AssertionError, match="does not name account_id"):
            run.usage(query)
