-- Store calls of an export as they were: with their own time of receipt, cost and rate. Ids that are
-- there already change nothing; what was really new is added to the deltas in the same statement.
WITH batch AS (
    SELECT * FROM unnest(
        %(event_id)s::uuid[],
        %(id_month)s::smallint[],
        %(created_at)s::timestamptz[],
        %(received_at)s::timestamptz[],
        %(rate_id)s::bigint[],
        %(input_tokens)s::integer[],
        %(output_tokens)s::integer[],
        %(cached_input_tokens)s::integer[],
        %(cache_write_tokens)s::integer[],
        %(cache_write_1h_tokens)s::integer[],
        %(input_audio_tokens)s::integer[],
        %(cached_audio_tokens)s::integer[],
        %(input_image_tokens)s::integer[],
        %(reasoning_tokens)s::integer[],
        %(output_audio_tokens)s::integer[],
        %(output_image_tokens)s::integer[],
        %(web_search_requests)s::integer[],
        %(latency_ms)s::integer[],
        %(cost_usd)s::numeric[],
        %(catalogue_cost_usd)s::numeric[],
        %(cost_source)s::text[],
        %(unpriced_reason)s::text[],
        %(status)s::text[],
        %(service_tier)s::text[],
        %(provider)s::text[],
        %(model)s::text[],
        %(feature)s::text[],
        %(user_id)s::text[],
        %(prompt_version)s::text[]
    ) AS row (
        event_id, id_month, created_at, received_at, rate_id, input_tokens, output_tokens,
        cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, input_audio_tokens,
        cached_audio_tokens, input_image_tokens, reasoning_tokens, output_audio_tokens,
        output_image_tokens, web_search_requests, latency_ms, cost_usd, catalogue_cost_usd,
        cost_source, unpriced_reason, status, service_tier, provider, model, feature, user_id,
        prompt_version
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
)
{added_to_deltas}
RETURNING calls
