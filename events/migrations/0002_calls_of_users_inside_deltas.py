"""One delta a request, quarter and combination of names, with its users' calls inside as arrays.

Nearly every call of a busy product has its own pair of user and combination, so that a row for
each cost more than the event itself. Latencies become one kind of list in all three tables.
"""

from django.db import migrations

# A latency in a list is bucket + 4096 * calls: what is taken away has negative calls. Several
# entries of one bucket add up; this makes one entry of them.
MERGE = """
CREATE FUNCTION llmcost_latencies_merged(latencies bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(array_agg(number + 4096 * calls ORDER BY number), '{}')
    FROM (
        SELECT one & 4095 AS number, sum(one >> 12)::bigint AS calls
        FROM unnest(latencies) AS one WHERE one IS NOT NULL
        GROUP BY 1 HAVING sum(one >> 12) <> 0
    ) AS counted
);
"""

# Only for the change of type below, which takes no sub-select.
FROM_JSON = """
CREATE FUNCTION llmcost_latencies_from(counts jsonb) RETURNS bigint[]
LANGUAGE sql IMMUTABLE
RETURN (
    SELECT coalesce(array_agg(key::bigint + 4096 * value::bigint), '{}')
    FROM jsonb_each_text(counts)
);
CREATE FUNCTION llmcost_latencies_from(buckets integer[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE
RETURN (
    SELECT coalesce(array_agg(abs(one) + 4096::bigint * sign(one)::bigint), '{NULL}')
    FROM unnest(buckets) AS one
);
"""
ROLLUPS = """
ALTER TABLE events_quarter
    ALTER latencies TYPE bigint[] USING llmcost_latencies_from(latencies);
ALTER TABLE events_user_day
    ALTER latencies TYPE bigint[] USING llmcost_latencies_from(latencies),
    ALTER series TYPE uuid USING encode(substring(sha256(
        sha256(convert_to(
            jsonb_build_array(provider, model, feature, prompt_version)::text, 'UTF8'
        )) || convert_to(user_id, 'UTF8')
    ) FROM 1 FOR 16), 'hex')::uuid;
"""

# An entry of the arrays is what one call adds to its user (or takes away); the row's own sums are
# theirs, so that reports without users need not look inside. The entries of a delta that waits
# here from before: the first has its sums, each further one only a latency.
OF_USERS = {
    "calls": "integer",
    "input_tokens": "bigint",
    "output_tokens": "bigint",
    "cached_input_tokens": "bigint",
    "cache_write_tokens": "bigint",
    "cache_write_1h_tokens": "bigint",
    "reasoning_tokens": "bigint",
    "cost_usd": "numeric",
    "unpriced_calls": "integer",
    "error_calls": "integer",
}
DELTA = """
ALTER TABLE events_delta RENAME user_id TO users;
ALTER TABLE events_delta ALTER latencies TYPE bigint[] USING llmcost_latencies_from(latencies);
ALTER TABLE events_delta
    ALTER users TYPE text[] USING array_fill(users, ARRAY[cardinality(latencies)]);
""" + "".join(
    f"""
    ALTER TABLE events_delta ADD user_{name} {kind}[];
    ALTER TABLE events_delta ALTER user_{name} TYPE {kind}[] USING
        ARRAY[{name}]::{kind}[] || array_fill(0::{kind}, ARRAY[cardinality(users) - 1]);
    ALTER TABLE events_delta ALTER user_{name} SET NOT NULL;
    """
    for name, kind in OF_USERS.items()
)
# Compressing what lives for seconds is not worth the time.
UNCOMPRESSED = "".join(
    f"ALTER TABLE events_delta ALTER {name} SET STORAGE EXTERNAL;"
    for name in ("users", "latencies", *(f"user_{name}" for name in OF_USERS))
)
DROP_FROM_JSON = """
DROP FUNCTION llmcost_latencies_from(jsonb);
DROP FUNCTION llmcost_latencies_from(integer[]);
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_events_deltas_and_rollups")]
    operations = [
        migrations.RunSQL(MERGE, "DROP FUNCTION llmcost_latencies_merged(bigint[])"),
        migrations.RunSQL(FROM_JSON + ROLLUPS + DELTA + UNCOMPRESSED + DROP_FROM_JSON),
    ]
