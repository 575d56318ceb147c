-- Delete a project's whole UTC day of calls together with its sums, in one statement: where few
-- calls share a sum, taking them away one by one costs many times as much. Nobody folds this
-- account and nobody else erases in it meanwhile; what ingest adds is not seen and stays, with its
-- delta. Returns how many went; NULL, and nothing done, if some must stay or there are too many.
WITH held AS (
    SELECT FROM events_event
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND created_at >= %(start)s AND created_at < %(end)s
    HAVING count(*) <= %(most)s AND count(*) FILTER (WHERE received_at > %(until)s) = 0
), gone AS (
    DELETE FROM events_event
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND created_at >= %(start)s AND created_at < %(end)s AND EXISTS (SELECT FROM held)
    RETURNING 1
), quarters AS (
    DELETE FROM events_quarter
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND bucket >= %(start)s AND bucket < %(end)s AND EXISTS (SELECT FROM held)
    RETURNING calls
), days AS (
    DELETE FROM events_user_day
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND bucket = %(start)s AND EXISTS (SELECT FROM held)
), deltas AS (
    DELETE FROM events_delta
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND bucket >= %(start)s AND bucket < %(end)s AND EXISTS (SELECT FROM held)
), months AS (
    UPDATE events_month AS kept SET calls = kept.calls - taken.calls
    FROM (SELECT sum(calls) AS calls FROM quarters) AS taken
    WHERE account_id = %(account)s AND month = date_trunc('month', %(start)s::timestamptz, 'UTC')
        AND taken.calls IS NOT NULL
)
SELECT (SELECT count(*) FROM gone) FROM held
