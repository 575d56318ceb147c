-- The next calls of a project in the order of their time, as of a moment; by the index
-- events_event_time. The rates that priced them stand in a table of their own.
SELECT {columns}
FROM events_event
WHERE account_id = %(account)s AND project_id = %(project)s AND received_at <= %(moment)s
    AND created_at >= %(after_time)s
    AND (created_at, event_id) > (%(after_time)s, %(after_id)s)
ORDER BY created_at, event_id
LIMIT %(limit)s
