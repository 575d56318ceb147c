-- Delete a batch of calls and, in the same statement, take them from the deltas that every report
-- reads. Whoever is second at the same calls finds them gone and takes nothing away. Returns how
-- many went, and the time at which the next batch begins: from the start it would pass all the
-- places of those that are gone.
WITH chosen AS (
    SELECT id_month, event_id, created_at FROM events_event
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
    {taken_from_deltas}
)
SELECT (SELECT count(*) FROM gone),
    (SELECT max(created_at) FROM chosen HAVING count(*) = %(limit)s)
