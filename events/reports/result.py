"""An answer as JSON or CSV, with the names of the contract."""

import csv
import io
from typing import Any

from events.reports.query import UsageQuery
from events.reports.run import MEASURES, UsageRow
from llmcost.web.sheets import text_cell

LATENCIES = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms")


def as_json(query: UsageQuery, rows: list[UsageRow]) -> dict[str, Any]:
    """Return the body of `GET /v1/usage`; money is a string, so that no digit is lost."""
    return {
        "from": query.start.isoformat(),
        "to": query.end.isoformat(),
        "interval": query.interval,
        "tz": query.timezone.key,
        "data": [_line(row) for row in rows],
    }


def as_csv(query: UsageQuery, rows: list[UsageRow]) -> str:
    """Return the same as CSV with a header line; empty cells where there is no value."""
    out = io.StringIO()
    header = ["start", *query.group_by, *MEASURES, *LATENCIES]
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerow(header)
    for row in rows:
        line = _line(row)
        writer.writerow([_cell(line[name], name in query.group_by) for name in header])
    return out.getvalue()


def _line(row: UsageRow) -> dict[str, Any]:
    return {
        "start": row.start.isoformat() if row.start else None,
        **row.group,
        **{name: getattr(row, name) for name in MEASURES if name != "cost_usd"},
        "cost_usd": f"{row.cost_usd:f}",
        **{name: getattr(row, name) for name in LATENCIES},
    }


def _cell(value: Any, is_sent_by_caller: bool) -> Any:
    if value is None:
        return ""
    return text_cell(value) if is_sent_by_caller else value
