-- Delete a batch of calls and, in the same statement, take them from the deltas that every report
-- reads. Whoever is second at the same calls finds them gone and takes nothing away.
WITH chosen AS (
    SELECT id_month, event_id FROM events_event
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND created_at >= %(start)s AND created_at < %(end)s
        AND (%(user)s::text IS NULL OR user_id = %(user)s)
        AND received_at <= %(until)s
    ORDER BY created_at
    LIMIT %(limit)s
), gone AS (
    DELETE FROM events_event AS event USING chosen
    WHERE event.account_id = %(account)s
        AND event.id_month = chosen.id_month AND event.event_id = chosen.event_id
    RETURNING event.*
), taken AS (
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
        -count(*), -sum(input_tokens), -sum(output_tokens),
        -coalesce(sum(cached_input_tokens), 0), -coalesce(sum(cache_write_tokens), 0),
        -coalesce(sum(cache_write_1h_tokens), 0), -coalesce(sum(reasoning_tokens), 0),
        -coalesce(sum(cost_usd), 0),
        -count(*) FILTER (WHERE cost_source = 'unpriced'),
        -count(*) FILTER (WHERE status = 'error'),
        array_agg(llmcost_latency_bucket(latency_ms) - 4096),
        array_agg(coalesce(user_id, '')), array_agg(-1), array_agg(-input_tokens),
        array_agg(-output_tokens), array_agg(-coalesce(cached_input_tokens, 0)),
        array_agg(-coalesce(cache_write_tokens, 0)),
        array_agg(-coalesce(cache_write_1h_tokens, 0)),
        array_agg(-coalesce(reasoning_tokens, 0)), array_agg(-coalesce(cost_usd, 0)),
        array_agg(-(cost_source = 'unpriced')::integer), array_agg(-(status = 'error')::integer)
    FROM gone
    GROUP BY 3, 4, 5, 6, 7
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM gone
