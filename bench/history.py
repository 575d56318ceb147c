"""Months of calls in a new installation within minutes: what `privacy.py` measures on.

A few thousand calls are sent through the API and priced there. The database then repeats them
with ids, times and users of their own, through the product's own statement for imported calls, so
that calls and deltas belong together; and the product's own statement folds these.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg

from events.sql import statement

DAYS = 90
CALLS_AT_ONCE = 40_000
LOADERS = 3
_COLUMNS = """
    rate_id, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
    cache_write_1h_tokens, input_audio_tokens, cached_audio_tokens, input_image_tokens,
    reasoning_tokens, output_audio_tokens, output_image_tokens, web_search_requests, latency_ms,
    cost_usd, catalogue_cost_usd, cost_source, unpriced_reason, status, service_tier, provider,
    model, feature
"""
_SAMPLE = f"""
    CREATE TABLE bench_sample AS
    SELECT row_number() OVER () - 1 AS n, {_COLUMNS}, prompt_version FROM events_event
"""
# The ids of a busy product: in the order of their time. The n-th user calls 1/n as often as the
# first, as in traffic.py.
_BATCH = f"""
    WITH moments AS MATERIALIZED (
        SELECT i, uuidv7(
            %(start)s::timestamptz - clock_timestamp()
            + (%(end)s::timestamptz - %(start)s::timestamptz) * (i / %(calls)s::float8)
        ) AS event_id, 'user_' || lpad(floor(30000 ^ random())::text, 5, '0') AS user_id
        FROM generate_series(0, %(calls)s - 1) AS i
    ), batch AS (
        SELECT event_id,
            ((extract(year FROM created_at AT TIME ZONE 'UTC') - 2020) * 12
                + extract(month FROM created_at AT TIME ZONE 'UTC'))::smallint AS id_month,
            created_at, created_at + interval '1 second' AS received_at,
            {_COLUMNS}, user_id, prompt_version
        FROM (
            SELECT *, uuid_extract_timestamp(event_id) AS created_at FROM moments
        ) AS moment
        JOIN bench_sample ON n = (i * 7919::bigint + %(shift)s) %% %(samples)s
"""


def make(dsn: str, shares: dict[tuple[int, int], int]) -> None:
    """Fill projects (account and project) with so many calls each, spread over the last 90 days."""
    with psycopg.connect(dsn, autocommit=True) as link:
        link.execute(_SAMPLE)
        [samples] = link.execute("SELECT count(*) FROM bench_sample").fetchone()
    end = datetime.now(UTC) - timedelta(minutes=5)
    steps = max(1, -(-max(shares.values()) // CALLS_AT_ONCE))
    spans = [
        (
            end - timedelta(days=DAYS) * (steps - step) / steps,
            end - timedelta(days=DAYS) * (steps - step - 1) / steps,
        )
        for step in range(steps)
    ]
    loaded = threading.Event()
    with ThreadPoolExecutor() as pool:
        folders = [
            pool.submit(_fold, dsn, account, loaded) for account in {one for one, _ in shares}
        ]
        loaders = [
            pool.submit(_load, dsn, shares, spans, samples, number) for number in range(LOADERS)
        ]
        try:
            for one in loaders:
                one.result()
        finally:
            loaded.set()
        for one in folders:
            one.result()
    with psycopg.connect(dsn, autocommit=True) as link:
        link.execute("DROP TABLE bench_sample")
        link.execute("VACUUM (ANALYZE) events_event, events_user_day, events_quarter, events_delta")
        link.execute("CHECKPOINT")


def _load(
    dsn: str,
    shares: dict[tuple[int, int], int],
    spans: list[tuple[datetime, datetime]],
    samples: int,
    number: int,
) -> None:
    """Load every third span, beginning with the one of this number."""
    _, rest = statement("import_events").split("), new AS (", 1)
    sql = f"{_BATCH}), new AS ({rest}"
    with psycopg.connect(dsn, autocommit=True) as link:
        link.execute("SET synchronous_commit = off")
        for step, (start, end) in list(enumerate(spans))[number::LOADERS]:
            for (account, project), calls in shares.items():
                before, after = (calls * part // len(spans) for part in (step, step + 1))
                link.execute(
                    sql,
                    {
                        "account": account,
                        "project": project,
                        "start": start,
                        "end": end,
                        "calls": after - before,
                        "shift": step * 104_729,
                        "samples": samples,
                    },
                )


def _fold(dsn: str, account: int, loaded: threading.Event) -> None:
    with psycopg.connect(dsn, autocommit=True) as link:
        link.execute("SET synchronous_commit = off")
        link.execute("SET work_mem = '64MB'")
        while True:
            is_last = loaded.is_set()
            [folded] = link.execute(
                statement("fold"), {"account": account, "limit": 100_000}
            ).fetchone()
            if not folded and is_last:
                return
            if not folded:
                loaded.wait(0.2)
