-- Give a batch of one user's calls another user id; the sums move in the same statement: a delta
-- that comes to nothing, with each call taken from the one user and given to the other inside.
-- Returns how many were renamed, and the time at which the next batch begins.
WITH chosen AS (
    SELECT id_month, event_id, created_at FROM events_event
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND created_at >= %(start)s AND created_at < %(end)s
        AND user_id = %(user)s AND received_at <= %(until)s
    ORDER BY created_at
    LIMIT %(limit)s
), renamed AS (
    UPDATE events_event AS event SET user_id = %(stand_in)s FROM chosen
    WHERE event.account_id = %(account)s
        AND event.id_month = chosen.id_month AND event.event_id = chosen.event_id
        AND event.user_id = %(user)s
    RETURNING event.*
), moved AS (
    INSERT INTO events_delta (
        account_id, project_id, bucket, provider, model, feature, prompt_version,
        calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, unpriced_calls, error_calls, latencies,
        users, user_calls, user_input_tokens, user_output_tokens, user_cached_input_tokens,
        user_cache_write_tokens, user_cache_write_1h_tokens, user_reasoning_tokens, user_cost_usd,
        user_unpriced_calls, user_error_calls
    )
    SELECT
        %(account)s, %(project)s, date_bin('15 minutes', created_at, '2000-01-01Z'),
        coalesce(provider, ''), model, coalesce(feature, ''), coalesce(prompt_version, ''),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        array_agg(llmcost_latency_bucket(latency_ms) + sign * 4096),
        array_agg(name), array_agg(sign), array_agg(sign * input_tokens),
        array_agg(sign * output_tokens), array_agg(sign * coalesce(cached_input_tokens, 0)),
        array_agg(sign * coalesce(cache_write_tokens, 0)),
        array_agg(sign * coalesce(cache_write_1h_tokens, 0)),
        array_agg(sign * coalesce(reasoning_tokens, 0)),
        array_agg(sign * coalesce(cost_usd, 0)),
        array_agg(sign * (cost_source = 'unpriced')::integer),
        array_agg(sign * (status = 'error')::integer)
    FROM renamed, (VALUES (-1, %(user)s::text), (1, %(stand_in)s::text)) AS side (sign, name)
    GROUP BY 3, 4, 5, 6, 7
    ON CONFLICT DO NOTHING
)
SELECT (SELECT count(*) FROM renamed),
    (SELECT max(created_at) FROM chosen HAVING count(*) = %(limit)s)
