-- The next calls of an end user in the order of their time.
SELECT {columns}
FROM events_event
WHERE account_id = %(account)s AND project_id = %(project)s AND user_id = %(user)s
    AND created_at >= %(after_time)s
    AND (created_at, event_id) > (%(after_time)s, %(after_id)s)
ORDER BY created_at, event_id
LIMIT %(limit)s
