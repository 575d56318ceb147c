-- Take the oldest deltas of one account and add them to its rollups, all in one statement: killed
-- at any moment, it has either folded them or left them. So many are taken that they hold about
-- `limit` calls, at least one. Returns how many calls they held (a correction counts as one).
--
-- Rows are written in the order of their keys, so that two folders cannot wait for each other.
-- Latencies are gathered as text, because a join of two such groupings has no estimate to go by
-- and ends as a loop in a loop. In a short list they stay as they came: most users have one call
-- a day, and merging costs more than the row.
WITH taken AS (
    DELETE FROM events_delta
    WHERE account_id = %(account)s AND id <= (
        SELECT max(id) FROM (
            SELECT id, calls, sum(calls) OVER (ORDER BY id) AS so_far FROM (
                SELECT id, greatest(abs(calls), 1) AS calls
                FROM events_delta WHERE account_id = %(account)s
                ORDER BY id LIMIT %(limit)s
            ) AS oldest
        ) AS counted WHERE so_far - calls < %(limit)s
    )
    RETURNING *
), named AS (
    SELECT taken.*,
        date_bin('1 day', bucket, '2000-01-01Z') AS day,
        sha256(convert_to(
            jsonb_build_array(provider, model, feature, prompt_version)::text, 'UTF8'
        )) AS names
    FROM taken
), quarter_sums AS (
    SELECT project_id, bucket, names, provider, model, feature, prompt_version,
        sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(cached_input_tokens) AS cached_input_tokens,
        sum(cache_write_tokens) AS cache_write_tokens,
        sum(cache_write_1h_tokens) AS cache_write_1h_tokens,
        sum(reasoning_tokens) AS reasoning_tokens, sum(cost_usd) AS cost_usd,
        sum(unpriced_calls) AS unpriced_calls, sum(error_calls) AS error_calls,
        string_agg(nullif(array_to_string(latencies, ','), ''), ',') AS latencies
    FROM named GROUP BY 1, 2, 3, 4, 5, 6, 7
), day_sums AS (
    SELECT project_id, day, names, one.user_id, min(provider) AS provider, min(model) AS model,
        min(feature) AS feature, min(prompt_version) AS prompt_version,
        sum(one.calls) AS calls, sum(one.input_tokens) AS input_tokens,
        sum(one.output_tokens) AS output_tokens,
        sum(one.cached_input_tokens) AS cached_input_tokens,
        sum(one.cache_write_tokens) AS cache_write_tokens,
        sum(one.cache_write_1h_tokens) AS cache_write_1h_tokens,
        sum(one.reasoning_tokens) AS reasoning_tokens, sum(one.cost_usd) AS cost_usd,
        sum(one.unpriced_calls) AS unpriced_calls, sum(one.error_calls) AS error_calls,
        coalesce(array_agg(latency) FILTER (WHERE latency IS NOT NULL), '{}') AS latencies
    FROM named, unnest(
        users, user_calls, user_input_tokens, user_output_tokens, user_cached_input_tokens,
        user_cache_write_tokens, user_cache_write_1h_tokens, user_reasoning_tokens, user_cost_usd,
        user_unpriced_calls, user_error_calls, latencies
    ) AS one (
        user_id, calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls, latency
    )
    GROUP BY 1, 2, 3, 4
), into_quarter AS (
    INSERT INTO events_quarter AS kept (
        account_id, project_id, bucket, series, provider, model, feature, prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls, latencies
    )
    SELECT %(account)s, project_id, bucket, encode(substring(names FROM 1 FOR 16), 'hex')::uuid,
        provider, model, feature, prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls,
        llmcost_latencies_merged(string_to_array(latencies, ',')::bigint[])
    FROM quarter_sums
    ORDER BY project_id, bucket, names
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
        latencies = llmcost_latencies_merged(kept.latencies || excluded.latencies)
), into_day AS (
    INSERT INTO events_user_day AS kept (
        account_id, project_id, bucket, series, provider, model, feature, user_id, prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls, latencies
    )
    SELECT %(account)s, project_id, day,
        encode(substring(sha256(names || convert_to(user_id, 'UTF8')) FROM 1 FOR 16), 'hex')::uuid
            AS series,
        provider, model, feature, user_id, prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls,
        CASE WHEN cardinality(latencies) > 40 THEN llmcost_latencies_merged(latencies)
             ELSE latencies END
    FROM day_sums
    ORDER BY project_id, day, series
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
        latencies = CASE
            WHEN cardinality(kept.latencies) + cardinality(excluded.latencies) > 40
            THEN llmcost_latencies_merged(kept.latencies || excluded.latencies)
            ELSE kept.latencies || excluded.latencies END
), into_month AS (
    INSERT INTO events_month AS kept (account_id, month, calls)
    SELECT %(account)s, date_trunc('month', bucket, 'UTC') AS month, sum(calls)
    FROM taken GROUP BY 2
    ORDER BY 2
    ON CONFLICT (account_id, month) DO UPDATE SET calls = kept.calls + excluded.calls
)
SELECT coalesce(sum(greatest(abs(calls), 1)), 0)::bigint FROM taken
