-- What calls add to the sums of every report, or take from them: the one text for storing, taking in
-- and erasing. A delta is a row for each quarter and combination of names but the user, with what
-- each call adds to its user inside: a row for each call would cost more than the event.
--
-- Not a statement of its own: `{calls}` is the caller's list of calls, `{sign}` a minus where they
-- are taken away.
--
-- ON CONFLICT DO NOTHING although nothing can conflict: with it Citus ships rows instead of COPY,
-- which row security forbids.
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
    {sign}count(*), {sign}sum(input_tokens), {sign}sum(output_tokens),
    {sign}coalesce(sum(cached_input_tokens), 0), {sign}coalesce(sum(cache_write_tokens), 0),
    {sign}coalesce(sum(cache_write_1h_tokens), 0), {sign}coalesce(sum(reasoning_tokens), 0),
    {sign}coalesce(sum(cost_usd), 0),
    {sign}count(*) FILTER (WHERE cost_source = 'unpriced'),
    {sign}count(*) FILTER (WHERE status = 'error'),
    array_agg({sign}4096 + llmcost_latency_bucket(latency_ms)),
    array_agg(coalesce(user_id, '')), array_agg({sign}1), array_agg({sign}input_tokens),
    array_agg({sign}output_tokens), array_agg({sign}coalesce(cached_input_tokens, 0)),
    array_agg({sign}coalesce(cache_write_tokens, 0)),
    array_agg({sign}coalesce(cache_write_1h_tokens, 0)),
    array_agg({sign}coalesce(reasoning_tokens, 0)), array_agg({sign}coalesce(cost_usd, 0)),
    array_agg({sign}(cost_source = 'unpriced')::integer),
    array_agg({sign}(status = 'error')::integer)
FROM {calls}
GROUP BY 3, 4, 5, 6, 7
ON CONFLICT DO NOTHING
