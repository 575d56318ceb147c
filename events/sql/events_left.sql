-- How many calls of a selection there still are, in one window of time.
SELECT count(*) FROM events_event
WHERE account_id = %(account)s AND project_id = %(project)s
    AND created_at >= %(start)s AND created_at < %(end)s
    AND (%(user)s::text IS NULL OR user_id = %(user)s)
    AND received_at <= %(until)s
