-- Take the oldest deltas of one account and add them to its rollups, all in one statement: killed
-- at any moment, it has either folded them or left them. Returns how many were taken.
--
-- Rows are written in the order of their keys, so that two folders cannot wait for each other.
-- Latencies are gathered as text, because a join of two such groupings has no estimate to go by
-- and ends as a loop in a loop.
WITH taken AS (
    DELETE FROM events_delta
    WHERE account_id = %(account)s AND id IN (
        SELECT id FROM events_delta WHERE account_id = %(account)s
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    RETURNING *
), named AS (
    SELECT *,
        encode(substring(sha256(convert_to(
            jsonb_build_array(provider, model, feature, prompt_version)::text, 'UTF8'
        )) FROM 1 FOR 16), 'hex')::uuid AS series,
        encode(substring(sha256(convert_to(
            jsonb_build_array(provider, model, feature, prompt_version, user_id)::text, 'UTF8'
        )) FROM 1 FOR 16), 'hex')::uuid AS user_series,
        date_bin('1 day', bucket, '2000-01-01Z') AS day
    FROM taken
), quarter_sums AS (
    SELECT project_id, bucket, series, provider, model, feature, prompt_version,
        sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(cached_input_tokens) AS cached_input_tokens,
        sum(cache_write_tokens) AS cache_write_tokens,
        sum(cache_write_1h_tokens) AS cache_write_1h_tokens,
        sum(reasoning_tokens) AS reasoning_tokens, sum(cost_usd) AS cost_usd,
        sum(unpriced_calls) AS unpriced_calls, sum(error_calls) AS error_calls,
        string_agg(nullif(array_to_string(latencies, ','), ''), ',') AS latencies
    FROM named GROUP BY 1, 2, 3, 4, 5, 6, 7
), day_sums AS (
    SELECT project_id, day, user_series, provider, model, feature, user_id, prompt_version,
        sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(cached_input_tokens) AS cached_input_tokens,
        sum(cache_write_tokens) AS cache_write_tokens,
        sum(cache_write_1h_tokens) AS cache_write_1h_tokens,
        sum(reasoning_tokens) AS reasoning_tokens, sum(cost_usd) AS cost_usd,
        sum(unpriced_calls) AS unpriced_calls, sum(error_calls) AS error_calls,
        string_agg(nullif(array_to_string(latencies, ','), ''), ',') AS latencies
    FROM named GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
), into_quarter AS (
    INSERT INTO events_quarter AS kept (
        account_id, project_id, bucket, series, provider, model, feature, prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls, latencies
    )
    SELECT %(account)s, project_id, bucket, series, provider, model, feature, prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls,
        (
            SELECT coalesce(jsonb_object_agg(number, calls), '{}') FROM (
                SELECT abs(one) AS number, sum(sign(one)) AS calls
                FROM unnest(string_to_array(sums.latencies, ',')::integer[]) AS one GROUP BY 1
            ) AS counted
        )
    FROM quarter_sums AS sums
    ORDER BY project_id, bucket, series
    ON CONFLICT (account_id, project_id, bucket, series) DO UPDATE SET
        calls = kept.calls + excluded.calls,
        input_tokens = kept.input_tokens + excluded.input_tokens,
        output_tokens = kept.output_tokens + excluded.output_tokens,
        cached_input_tokens = kept.cached_input_tokens + excluded.cached_input_tokens,
        cache_write_tokens = kept.cache_write_tokens + excluded.cache_write_tokens,
        cache_write_1h_tokens = kept.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
        reasoning_tokens = kept.reasoning_tokens + excluded.reasoning_tokens,
        cost_usd = kept.cost_usd + excluded.cost_usd,
        unpriced_calls = kept.unpriced_calls + excluded.unpriced_calls,
        error_calls = kept.error_calls + excluded.error_calls,
        latencies = (
            SELECT coalesce(jsonb_object_agg(number, calls), '{}') FROM (
                SELECT key AS number, sum(value::bigint) AS calls
                FROM (SELECT * FROM jsonb_each_text(kept.latencies)
                      UNION ALL SELECT * FROM jsonb_each_text(excluded.latencies)) AS both_sides
                GROUP BY key HAVING sum(value::bigint) <> 0
            ) AS merged
        )
), into_day AS (
    INSERT INTO events_user_day AS kept (
        account_id, project_id, bucket, series, provider, model, feature, user_id, prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls, latencies
    )
    SELECT %(account)s, project_id, day, user_series, provider, model, feature, user_id,
        prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls,
        (
            SELECT coalesce(jsonb_object_agg(number, calls), '{}') FROM (
                SELECT abs(one) AS number, sum(sign(one)) AS calls
                FROM unnest(string_to_array(sums.latencies, ',')::integer[]) AS one GROUP BY 1
            ) AS counted
        )
    FROM day_sums AS sums
    ORDER BY project_id, day, user_series
    ON CONFLICT (account_id, project_id, bucket, series) DO UPDATE SET
        calls = kept.calls + excluded.calls,
        input_tokens = kept.input_tokens + excluded.input_tokens,
        output_tokens = kept.output_tokens + excluded.output_tokens,
        cached_input_tokens = kept.cached_input_tokens + excluded.cached_input_tokens,
        cache_write_tokens = kept.cache_write_tokens + excluded.cache_write_tokens,
        cache_write_1h_tokens = kept.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
        reasoning_tokens = kept.reasoning_tokens + excluded.reasoning_tokens,
        cost_usd = kept.cost_usd + excluded.cost_usd,
        unpriced_calls = kept.unpriced_calls + excluded.unpriced_calls,
        error_calls = kept.error_calls + excluded.error_calls,
        latencies = (
            SELECT coalesce(jsonb_object_agg(number, calls), '{}') FROM (
                SELECT key AS number, sum(value::bigint) AS calls
                FROM (SELECT * FROM jsonb_each_text(kept.latencies)
                      UNION ALL SELECT * FROM jsonb_each_text(excluded.latencies)) AS both_sides
                GROUP BY key HAVING sum(value::bigint) <> 0
            ) AS merged
        )
)
SELECT count(*) FROM taken
