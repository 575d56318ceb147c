"""The answer to a question: rollups, what is not folded yet, and raw events at the edges.

All in one statement, so in one snapshot: a call is in a rollup or in a delta, never in both, and
the sums equal the events at every moment, whether or not a worker runs.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from events.reports.latency import milliseconds
from events.reports.query import UsageQuery

# What is summed, and the same of a single event.
_OF_EVENT = {
    "calls": "1",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "coalesce(cached_input_tokens, 0)",
    "cache_write_tokens": "coalesce(cache_write_tokens, 0)",
    "cache_write_1h_tokens": "coalesce(cache_write_1h_tokens, 0)",
    "reasoning_tokens": "coalesce(reasoning_tokens, 0)",
    "cost_usd": "coalesce(cost_usd, 0)",
    "unpriced_calls": "(cost_source = 'unpriced')::integer",
    "error_calls": "(status = 'error')::integer",
}
MEASURES = tuple(_OF_EVENT)
# What waits in deltas for the rollup with users, one row for each call.
_WAITING_BY_USER = f"""(
    SELECT account_id, project_id, bucket, provider, model, feature, prompt_version, one.*,
        ARRAY[latency] AS latencies
    FROM events_delta, unnest(
        users, {", ".join(f"user_{name}" for name in MEASURES)}, latencies
    ) AS one (user_id, {", ".join(MEASURES)}, latency)
    WHERE account_id = %(account)s AND project_id = %(project)s
) AS waiting"""
PERCENTILES = (("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99"))
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_WHOLE_DAY_ZONES = {"UTC", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Zulu"}


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line of an answer: the interval's start (or None), the group's names, the sums.

    A name is None where the events have none. Percentiles are milliseconds, None without any
    latency or where the question did not ask.
    """

    start: datetime | None
    group: dict[str, str | None]
    calls: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal
    unpriced_calls: int
    error_calls: int
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None


def usage(query: UsageQuery) -> list[UsageRow]:
    """Return the rows of an answer, by time and then from the dearest; inside `tenant()`."""
    sql, params = _statement(query)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchall()
    return [_row(query, values) for values in found]


def usage_together(queries: Sequence[UsageQuery]) -> list[list[UsageRow]]:
    """Return the answers of several questions out of one statement, so of one moment.

    A page of many panels would otherwise show sums that differ by what arrived in between.
    """
    parts: list[str] = []
    params: dict[str, Any] = {}
    for place, query in enumerate(queries):
        sql, own = _statement(query)
        params |= {f"q{place}_{name}": value for name, value in own.items()}
        sql = sql.replace("%(", f"%(q{place}_")
        parts.append(f"(SELECT json_agg(one)::text FROM ({sql}) AS one)")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", params)
        found = cursor.fetchone()
    return [
        [_row(query, _values(line)) for line in json.loads(text or "[]", parse_float=Decimal)]
        for query, text in zip(queries, found, strict=True)
    ]


def _values(line: dict[str, Any]) -> tuple[Any, ...]:
    """Return a row that came as JSON the way the driver would have."""
    start = line.pop("bucket")
    line["cost_usd"] = Decimal(line["cost_usd"])
    return (datetime.fromisoformat(start) if start else None, *line.values())


def _row(query: UsageQuery, values: tuple[Any, ...]) -> UsageRow:
    start, *rest = values
    names = {name: rest[place] or None for place, name in enumerate(query.group_by)}
    sums = rest[len(query.group_by) : len(query.group_by) + len(MEASURES)]
    percentiles = rest[len(query.group_by) + len(MEASURES) :]
    measured: list[Any] = [
        value if name == "cost_usd" else int(value)
        for name, value in zip(MEASURES, sums, strict=True)
    ]
    return UsageRow(
        start.astimezone(query.timezone) if start else None,
        names,
        *measured,
        *(milliseconds(number) for number in percentiles),
    )


def _statement(query: UsageQuery) -> tuple[str, dict[str, Any]]:
    params: dict[str, Any] = {
        "account": query.account_id,
        "project": query.project_id,
        "start": query.start,
        "end": query.end,
        "tz": query.timezone.key,
    }
    keys = ["bucket", *query.group_by]
    ordinals = ", ".join(str(place + 1) for place in range(len(keys)))
    bucket = (
        f"date_trunc('{query.interval}', bucket, %(tz)s)" if query.interval else "NULL::timestamptz"
    )
    chosen = _conditions(query, params)
    parts = _parts(query, params, chosen)
    names = "".join(f", {name}" for name in query.group_by)
    sums = ", ".join(f"sum({name}) AS {name}" for name in MEASURES)
    limit = ""
    if query.limit is not None and not query.interval:
        params["limit"] = query.limit
        limit = "LIMIT %(limit)s"
    # Without groups there is one row even where nothing was called.
    having = "HAVING sum(calls) <> 0" if query.group_by or query.interval else ""
    grouped = f"GROUP BY {ordinals}" if query.group_by or query.interval else ""
    if not grouped:
        sums = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in MEASURES)
    sql = f"""
        WITH parts AS ({parts.sums}),
        summed AS (
            SELECT {bucket} AS bucket{names}, {sums}
            FROM parts {grouped} {having}
        )"""
    picked = ", ".join(f"summed.{name}" for name in (*keys, *MEASURES))
    order = f"ORDER BY summed.bucket, summed.cost_usd DESC, summed.calls DESC{names} {limit}"
    if not query.percentiles:
        return f"{sql} SELECT {picked} FROM summed {order}", params
    same = " AND ".join(f"summed.{key} IS NOT DISTINCT FROM percentile.{key}" for key in keys)
    ranks = ", ".join(
        f"min(number) FILTER (WHERE reached >= ceil({share} * whole)) AS {name}"
        for name, share in PERCENTILES
    )
    found = ", ".join(f"percentile.{name}" for name, _ in PERCENTILES)
    sql += f""",
        latencies AS (
            SELECT {bucket} AS bucket{names},
                number, sum(calls) AS calls
            FROM ({parts.latencies}) AS counted
            GROUP BY {ordinals}, {len(keys) + 1} HAVING sum(calls) > 0
        ),
        ranked AS (
            SELECT *, sum(calls) OVER (PARTITION BY {", ".join(keys)} ORDER BY number) AS reached,
                sum(calls) OVER (PARTITION BY {", ".join(keys)}) AS whole
            FROM latencies
        ),
        percentile AS (SELECT {", ".join(keys)}, {ranks} FROM ranked GROUP BY {ordinals})
        SELECT {picked}, {found} FROM summed LEFT JOIN percentile ON {same} {order}"""
    return sql, params


@dataclass(frozen=True, slots=True)
class _Parts:
    """The three sources, as one row set for the sums and one for the latencies."""

    sums: str
    latencies: str


def _parts(query: UsageQuery, params: dict[str, Any], chosen: str) -> _Parts:
    names = "".join(f", {name}" for name in query.group_by)
    event_names = "".join(
        f", {name}" if name == "model" else f", coalesce({name}, '') AS {name}"
        for name in query.group_by
    )
    measures = ", ".join(MEASURES)
    inside = _whole_buckets(query)
    own = "account_id = %(account)s AND project_id = %(project)s"
    sums, latencies = [], []
    if inside:
        params["inner_start"], params["inner_end"] = inside
        span = "bucket >= %(inner_start)s AND bucket < %(inner_end)s"
        edges = """(created_at >= %(start)s AND created_at < %(inner_start)s
                 OR created_at >= %(inner_end)s AND created_at < %(end)s)"""
        rollup = "events_user_day" if query.asks_for_users else "events_quarter"
        waiting = _WAITING_BY_USER if query.asks_for_users else "events_delta"
        where = f"WHERE {own} AND {span}{chosen}"
        for table in (rollup, waiting):
            sums.append(f"SELECT bucket{names}, {measures} FROM {table} {where}")
            latencies.append(
                f"SELECT bucket{names}, (one & 4095)::integer AS number, one >> 12 AS calls "
                f"FROM {table}, unnest(latencies) AS one {where} AND one IS NOT NULL"
            )
    else:
        edges = "created_at >= %(start)s AND created_at < %(end)s"
    if not inside or inside != (query.start, query.end):
        where = f"WHERE {own} AND {edges}{_on_events(chosen)}"
        values = ", ".join(f"{value} AS {name}" for name, value in _OF_EVENT.items())
        sums.append(f"SELECT created_at AS bucket{event_names}, {values} FROM events_event {where}")
        latencies.append(
            f"SELECT created_at AS bucket{event_names}, "
            f"llmcost_latency_bucket(latency_ms) AS number, 1::bigint AS calls "
            f"FROM events_event {where} AND latency_ms IS NOT NULL"
        )
    return _Parts(" UNION ALL ".join(sums), " UNION ALL ".join(latencies))


def _whole_buckets(query: UsageQuery) -> tuple[datetime, datetime] | None:
    """Return the part of the span that whole buckets of the rollup cover, if any.

    The rollup with users is by UTC day, so it can answer only where days are not cut otherwise.
    """
    if query.asks_for_users:
        if query.interval == "hour":
            return None
        if query.interval and query.timezone.key not in _WHOLE_DAY_ZONES:
            return None
        size = DAY
    else:
        size = QUARTER
    start = _EPOCH - (_EPOCH - query.start) // size * size
    end = _EPOCH + (query.end - _EPOCH) // size * size
    return (start, end) if start < end else None


def _conditions(query: UsageQuery, params: dict[str, Any]) -> str:
    """Return the filters as SQL, for tables where an absent name is ''."""
    sql = ""
    for name, values in query.filters.items():
        params[f"filter_{name}"] = list(values)
        sql += f" AND {name} = ANY(%(filter_{name})s)"
    return sql


def _on_events(chosen: str) -> str:
    """Return the same filters for events, where an absent name is NULL."""
    for name in ("provider", "feature", "user_id", "prompt_version"):
        chosen = chosen.replace(f" AND {name} = ANY", f" AND coalesce({name}, '') = ANY")
    return chosen
