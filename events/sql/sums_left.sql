-- How many rows of sums name a user on a day on which no call of theirs is left, and by how many
-- calls sums and calls differ; in one snapshot, so that ingest which goes on does not disturb.
WITH named AS (
    SELECT bucket, calls FROM events_user_day
    WHERE account_id = %(account)s AND project_id = %(project)s AND user_id = %(user)s
    UNION ALL
    SELECT date_bin('1 day', bucket, '2000-01-01Z'), one.calls
    FROM events_delta, unnest(users, user_calls) AS one (user_id, calls)
    WHERE account_id = %(account)s AND project_id = %(project)s AND one.user_id = %(user)s
), days AS (
    SELECT bucket, count(*) AS rows, sum(calls) AS summed, (
        SELECT count(*) FROM events_event
        WHERE account_id = %(account)s AND project_id = %(project)s AND user_id = %(user)s
            AND created_at >= bucket AND created_at < bucket + interval '1 day'
    ) AS held
    FROM named GROUP BY bucket
)
SELECT coalesce(sum(rows) FILTER (WHERE held = 0), 0)::bigint,
    coalesce(sum(abs(summed - held)), 0)::bigint
FROM days
