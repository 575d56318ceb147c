-- Store calls of an export as they were: with their own time of receipt, cost and rate. What was
-- really new is added to the deltas in the same statement; returns how many that were.
WITH batch AS (
    SELECT * FROM json_to_recordset(%(calls)s::json) AS row (
        event_id uuid, id_month smallint, created_at timestamptz, received_at timestamptz,
        rate_id bigint, input_tokens integer, output_tokens integer,
        cached_input_tokens integer, cache_write_tokens integer, cache_write_1h_tokens integer,
        input_audio_tokens integer, cached_audio_tokens integer, input_image_tokens integer,
        reasoning_tokens integer, output_audio_tokens integer, output_image_tokens integer,
        web_search_requests integer, latency_ms integer, cost_usd numeric,
        catalogue_cost_usd numeric, cost_source text, unpriced_reason text, status text,
        service_tier text, provider text, model text, feature text, user_id text,
        prompt_version text
    )
), new AS (
    INSERT INTO events_event (
        account_id, project_id,
        event_id, id_month, created_at, received_at, rate_id, input_tokens, output_tokens,
        cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, input_audio_tokens,
        cached_audio_tokens, input_image_tokens, reasoning_tokens, output_audio_tokens,
        output_image_tokens, web_search_requests, latency_ms, cost_usd, catalogue_cost_usd,
        cost_source, unpriced_reason, status, service_tier, provider, model, feature, user_id,
        prompt_version
    )
    SELECT %(account)s, %(project)s, batch.* FROM batch
    ON CONFLICT DO NOTHING
    RETURNING *
), added AS (
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
        count(*), sum(input_tokens), sum(output_tokens), coalesce(sum(cached_input_tokens), 0),
        coalesce(sum(cache_write_tokens), 0), coalesce(sum(cache_write_1h_tokens), 0),
        coalesce(sum(reasoning_tokens), 0), coalesce(sum(cost_usd), 0),
        count(*) FILTER (WHERE cost_source = 'unpriced'), count(*) FILTER (WHERE status = 'error'),
        array_agg(4096 + llmcost_latency_bucket(latency_ms)),
        array_agg(coalesce(user_id, '')), array_agg(1), array_agg(input_tokens),
        array_agg(output_tokens), array_agg(coalesce(cached_input_tokens, 0)),
        array_agg(coalesce(cache_write_tokens, 0)), array_agg(coalesce(cache_write_1h_tokens, 0)),
        array_agg(coalesce(reasoning_tokens, 0)), array_agg(coalesce(cost_usd, 0)),
        array_agg((cost_source = 'unpriced')::integer), array_agg((status = 'error')::integer)
    FROM new
    GROUP BY 3, 4, 5, 6, 7
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM new
