-- The earliest event of a project; by the index events_event_time, whatever the project holds.
SELECT model, input_tokens, output_tokens, cost_usd, created_at
FROM events_event
WHERE account_id = %(account)s AND project_id = %(project)s
ORDER BY created_at
LIMIT 1
