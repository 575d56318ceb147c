-- Drop the rows of rollups that came to nothing, so that no name stays where no call is left.
WITH quarters AS (
    DELETE FROM events_quarter
    WHERE account_id = %(account)s AND project_id = %(project)s AND calls = 0
        AND bucket >= date_bin('15 minutes', %(start)s::timestamptz, '2000-01-01Z')
        AND bucket < %(end)s AND %(user)s::text IS NULL
    RETURNING 1
), days AS (
    DELETE FROM events_user_day
    WHERE account_id = %(account)s AND project_id = %(project)s AND calls = 0
        AND bucket >= date_bin('1 day', %(start)s::timestamptz, '2000-01-01Z')
        AND bucket < %(end)s AND (%(user)s::text IS NULL OR user_id = %(user)s)
    RETURNING 1
)
SELECT (SELECT count(*) FROM quarters) + (SELECT count(*) FROM days)
