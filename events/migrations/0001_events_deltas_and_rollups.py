"""The tables of calls, with their final keys, partitions and row security.

Plain SQL, because Django has no partitions and no model of these tables is wanted: every
statement on them stands in `events/sql/` and names `account_id`.
"""

from django.db import migrations

from llmcost.tenancy.rls import protect

EVENT = """
CREATE TABLE events_event (
    account_id bigint NOT NULL,
    project_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    event_id uuid NOT NULL,
    -- Which rate priced the event; NULL when the caller gave the cost or no price is known.
    rate_id bigint,
    -- A pure function of event_id (events/ingest/identity.py), so that an id repeated with
    -- another time meets its first row.
    id_month smallint NOT NULL,
    input_tokens integer NOT NULL CHECK (input_tokens >= 0),
    output_tokens integer NOT NULL CHECK (output_tokens >= 0),
    cached_input_tokens integer CHECK (cached_input_tokens >= 0),
    cache_write_tokens integer CHECK (cache_write_tokens >= 0),
    cache_write_1h_tokens integer CHECK (cache_write_1h_tokens >= 0),
    input_audio_tokens integer CHECK (input_audio_tokens >= 0),
    cached_audio_tokens integer CHECK (cached_audio_tokens >= 0),
    input_image_tokens integer CHECK (input_image_tokens >= 0),
    reasoning_tokens integer CHECK (reasoning_tokens >= 0),
    output_audio_tokens integer CHECK (output_audio_tokens >= 0),
    output_image_tokens integer CHECK (output_image_tokens >= 0),
    web_search_requests integer CHECK (web_search_requests >= 0),
    latency_ms integer CHECK (latency_ms >= 0),
    -- The upper bound refuses NaN, which PostgreSQL holds to be greater than every number.
    cost_usd numeric(20, 10) CHECK (cost_usd >= 0 AND cost_usd < 1e10),
    -- Our own price where the caller gave another; NULL otherwise.
    catalogue_cost_usd numeric(20, 10) CHECK (catalogue_cost_usd >= 0 AND catalogue_cost_usd < 1e10),
    cost_source text NOT NULL CHECK (cost_source IN ('caller', 'catalogue', 'override', 'unpriced')),
    unpriced_reason text,
    status text NOT NULL CHECK (status IN ('ok', 'error', 'aborted')),
    service_tier text,
    provider text,
    model text NOT NULL,
    feature text,
    user_id text,
    prompt_version text,
    CHECK ((cost_source = 'unpriced') = (cost_usd IS NULL)),
    PRIMARY KEY (account_id, id_month, event_id)
) PARTITION BY RANGE (id_month);
-- Used by reports at the edges of whole buckets, by questions about one user by the hour, and by
-- the list of events.
CREATE INDEX events_event_time ON events_event (account_id, project_id, created_at);
"""

MEASURES = """
    calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    cache_write_1h_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    cost_usd numeric NOT NULL CHECK (cost_usd < 1e20),
    unpriced_calls bigint NOT NULL,
    error_calls bigint NOT NULL,
"""

DELTA = f"""
-- What a request added (or a correction took away), not yet folded into the rollups. An absent
-- dimension is '', because NULLs would never meet in a key.
CREATE TABLE events_delta (
    account_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    project_id bigint NOT NULL,
    bucket timestamptz NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    feature text NOT NULL,
    user_id text NOT NULL,
    prompt_version text NOT NULL,
    {MEASURES}
    -- One bucket number for each call with a latency, negative where a call is taken away.
    latencies integer[] NOT NULL,
    PRIMARY KEY (account_id, id)
);
"""

# `series` is a hash of the dimensions: five texts of 200 characters do not fit into a key.
ROLLUPS = f"""
-- Calls by quarter of an hour (time zones come in steps of 15 minutes), without end users.
CREATE TABLE events_quarter (
    account_id bigint NOT NULL,
    project_id bigint NOT NULL,
    bucket timestamptz NOT NULL,
    series uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    feature text NOT NULL,
    prompt_version text NOT NULL,
    {MEASURES}
    latencies jsonb NOT NULL,
    PRIMARY KEY (account_id, project_id, bucket, series)
);
-- Calls by UTC day with end users, apart, so that a million users do not slow the overview.
CREATE TABLE events_user_day (
    account_id bigint NOT NULL,
    project_id bigint NOT NULL,
    bucket timestamptz NOT NULL,
    series uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    feature text NOT NULL,
    user_id text NOT NULL,
    prompt_version text NOT NULL,
    {MEASURES}
    latencies jsonb NOT NULL,
    PRIMARY KEY (account_id, project_id, bucket, series)
);
"""

RATE = """
-- The price lists that were used, each once: facts of the catalogue, of no account.
CREATE TABLE events_rate (
    id bigint PRIMARY KEY,
    catalogue text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    units jsonb NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now()
);
"""

# Histogram of latencies: bucket 1 is 0 ms, bucket b > 1 covers [g^(b-2), g^(b-1)) ms with
# g = 1.02/0.98, so that its middle is at most 2 % off. The inverse stands in usage.sql.
LATENCY = """
CREATE FUNCTION llmcost_latency_bucket(latency_ms integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN latency_ms <= 0 THEN 1
            ELSE 2 + floor(ln(latency_ms::float8) / ln(1.02::float8 / 0.98::float8))::integer END;
"""

# Runs with its owner's rights, because making a partition is the owner's; it takes no argument
# and makes only what the calendar says, so whoever calls it can do nothing else with it.
# Each month's CHECK keeps a row with a wrong id_month out: a UUIDv7 begins with its 48-bit time.
PARTITIONS = """
CREATE FUNCTION llmcost_event_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC');
    month date;
    number integer;
    name text;
    made integer := 0;
BEGIN
    -- Two callers at once would both try to make the same table.
    LOCK TABLE public.events_event IN SHARE UPDATE EXCLUSIVE MODE;
    FOR ahead IN 0..3 LOOP
        month := this_month + make_interval(months => ahead);
        number := (extract(year FROM month)::integer - 2020) * 12
                  + extract(month FROM month)::integer;
        name := format('events_event_%s', to_char(month, 'YYYY_MM'));
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        -- Made apart and then attached: unlike PARTITION OF, that does not stop ingest.
        EXECUTE format(
            'CREATE TABLE public.%I (LIKE public.events_event INCLUDING DEFAULTS '
            'INCLUDING CONSTRAINTS, CHECK (event_id >= %L AND event_id < %L))',
            name, public.llmcost_uuid_floor(month),
            public.llmcost_uuid_floor((month + interval '1 month')::date));
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'ALTER TABLE public.events_event ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)',
            name, number, number + 1);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION llmcost_event_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION llmcost_event_partitions() TO llmcost_app;
"""

UUID_FLOOR = """
CREATE FUNCTION llmcost_uuid_floor(day date) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (lpad(to_hex((extract(epoch FROM day::timestamp) * 1000)::bigint), 12, '0')
        || '00000000000000000000')::uuid;
"""

# Ids without a time of their own, and ids older than this installation, have one partition each.
FIRST_PARTITIONS = """
CREATE TABLE events_event_timeless PARTITION OF events_event FOR VALUES FROM (0) TO (1);
ALTER TABLE events_event_timeless ENABLE ROW LEVEL SECURITY;
ALTER TABLE events_event_timeless FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC');
BEGIN
    EXECUTE format(
        'CREATE TABLE events_event_earlier PARTITION OF events_event '
        '(CHECK (event_id >= %L AND event_id < %L)) FOR VALUES FROM (1) TO (%s)',
        llmcost_uuid_floor('2020-01-01'), llmcost_uuid_floor(this_month),
        (extract(year FROM this_month)::integer - 2020) * 12
        + extract(month FROM this_month)::integer);
END $$;
ALTER TABLE events_event_earlier ENABLE ROW LEVEL SECURITY;
ALTER TABLE events_event_earlier FORCE ROW LEVEL SECURITY;
SELECT llmcost_event_partitions();
"""


def sql(forwards: str, backwards: str) -> migrations.RunSQL:
    """One step as SQL text."""
    return migrations.RunSQL(forwards, backwards)


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("llmcost", "0002_who_asks_and_the_shared_cache"),
        ("projects", "0002_rows_belong_to_accounts"),
    ]
    operations = [
        sql(EVENT, "DROP TABLE events_event"),
        sql(DELTA, "DROP TABLE events_delta"),
        sql(ROLLUPS, "DROP TABLE events_quarter, events_user_day"),
        sql(RATE, "DROP TABLE events_rate"),
        sql(LATENCY, "DROP FUNCTION llmcost_latency_bucket(integer)"),
        sql(UUID_FLOOR, "DROP FUNCTION llmcost_uuid_floor(date)"),
        sql(PARTITIONS, "DROP FUNCTION llmcost_event_partitions()"),
        protect("events_event"),
        protect("events_delta"),
        protect("events_quarter"),
        protect("events_user_day"),
        sql(FIRST_PARTITIONS, migrations.RunSQL.noop),
    ]
