-- The earliest and the latest call of an end user within a span; by the index events_event_time.
SELECT min(created_at), max(created_at) FROM events_event
WHERE account_id = %(account)s AND project_id = %(project)s AND user_id = %(user)s
    AND created_at >= %(start)s AND created_at < %(end)s
