"""After any disaster: ledger, events, answers and rollups say the same, to the last place."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx

from tests.faults.ledger import Ledger
from tests.group import Group, eventually

MEASURES = {
    "calls": "count(*)",
    "input_tokens": "sum(input_tokens)",
    "output_tokens": "sum(output_tokens)",
    "cached_input_tokens": "sum(coalesce(cached_input_tokens, 0))",
    "cache_write_tokens": "sum(coalesce(cache_write_tokens, 0))",
    "cache_write_1h_tokens": "sum(coalesce(cache_write_1h_tokens, 0))",
    "reasoning_tokens": "sum(coalesce(reasoning_tokens, 0))",
    "cost_usd": "sum(coalesce(cost_usd, 0))",
    "unpriced_calls": "count(*) FILTER (WHERE cost_source = 'unpriced')",
    "error_calls": "count(*) FILTER (WHERE status = 'error')",
}
ROLLUPS = {
    "events_quarter": ("15 minutes", ["provider", "model", "feature", "prompt_version"]),
    "events_user_day": ("1 day", ["provider", "model", "feature", "user_id", "prompt_version"]),
}
# Celery waits ever longer before it connects again to a broker that was away.
FOLDED_WITHIN = 20
LONG_AGO = "2015-01-01"


def assert_nothing_is_lost(group: Group, company: SimpleNamespace, ledger: Ledger) -> None:
    """Every acknowledged id is stored once and counted once, wherever one looks."""
    assert ledger.breaches == []
    stored = stored_costs(group, company)
    expected = sorted(ledger.acknowledged)
    assert sorted(event_id for event_id, _ in stored) == expected
    assert sum(cost for _, cost in stored) == ledger_cost(ledger)
    for dimension in ("model", "feature", "user_id"):
        assert usage_by(group, company, dimension) == ledger.sums_by(dimension)


def assert_rollups_equal_events(group: Group, *, within: float) -> None:
    """What waits is folded by itself, and the rollups are what the events give anew."""
    waiting = "SELECT count(*) FROM events_delta"
    eventually(lambda: group.look(waiting) == [(0,)], within, "all deltas folded")
    for table, (size, names) in ROLLUPS.items():
        assert group.look(difference(table, size, names)) == [], table


def stored_costs(group: Group, company: SimpleNamespace) -> list[tuple[str, Decimal]]:
    return group.look(
        "SELECT event_id::text, coalesce(cost_usd, 0) FROM events_event WHERE account_id = %s",
        [company.account],
    )


def ledger_cost(ledger: Ledger) -> Decimal:
    return sum((cost for *_, cost in ledger.sums_by("model").values()), Decimal(0))


def usage_by(group: Group, company: SimpleNamespace, dimension: str) -> dict[Any, Any]:
    """What GET /v1/usage answers, in the ledger's form."""
    answer = httpx.get(
        f"{group.url}/v1/usage",
        params={"from": LONG_AGO, "group_by": dimension},
        headers={"Authorization": f"Bearer {company.key}"},
        timeout=15,
    )
    assert answer.status_code == 200
    return {
        row[dimension]: (
            row["calls"],
            row["input_tokens"],
            row["output_tokens"],
            Decimal(row["cost_usd"]),
        )
        for row in answer.json()["data"]
    }


def difference(table: str, size: str, names: list[str]) -> str:
    """Ask for the rows that a rollup has and its recomputation has not, and the other way round."""
    keys = ", ".join(["account_id", "project_id", "bucket", *names])
    columns = f"{keys}, {', '.join(MEASURES)}, latencies"
    sums = ", ".join(f"{value} AS {name}" for name, value in MEASURES.items())
    values = ", ".join(f"coalesce({name}, '') AS {name}" for name in names)
    rest = (
        "input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, status, latency_ms"
    )
    return f"""
        WITH named AS (
            SELECT account_id, project_id, date_bin('{size}', created_at, '2000-01-01Z') AS bucket,
                {values}, {rest}, cache_write_1h_tokens, reasoning_tokens, cost_usd, cost_source
            FROM events_event
        ), summed AS (
            SELECT {keys}, {sums} FROM named GROUP BY {keys}
        ), measured AS (
            SELECT {keys}, array_agg(number + 4096 * calls ORDER BY number) AS latencies
            FROM (
                SELECT {keys}, llmcost_latency_bucket(latency_ms) AS number, count(*) AS calls
                FROM named WHERE latency_ms IS NOT NULL GROUP BY {keys}, number
            ) AS counted
            GROUP BY {keys}
        ), anew AS (
            SELECT {keys}, {", ".join(MEASURES)}, coalesce(latencies, '{{}}') AS latencies
            FROM summed LEFT JOIN measured USING ({keys})
        ), held AS (
            SELECT {keys}, {", ".join(MEASURES)}, llmcost_latencies_merged(latencies) AS latencies
            FROM {table}
            WHERE (calls, input_tokens, output_tokens, cost_usd) <> (0, 0, 0, 0)  -- nothing is left
        )
        (SELECT 'missing', {columns} FROM anew EXCEPT SELECT 'missing', {columns} FROM held)
        UNION ALL
        (SELECT 'surplus', {columns} FROM held EXCEPT SELECT 'surplus', {columns} FROM anew)
        LIMIT 5"""
