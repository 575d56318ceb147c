-- The first UTC day of a span for which a project has sums, and when its last sums begin.
SELECT date_bin('1 day', min(first), '2000-01-01Z'), max(last)
FROM (
    SELECT min(bucket) AS first, max(bucket) AS last FROM events_quarter
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND bucket >= date_bin('15 minutes', %(start)s::timestamptz, '2000-01-01Z')
        AND bucket < %(end)s
    UNION ALL
    SELECT min(bucket), max(bucket) FROM events_user_day
    WHERE account_id = %(account)s AND project_id = %(project)s
        AND bucket >= date_bin('1 day', %(start)s::timestamptz, '2000-01-01Z')
        AND bucket < %(end)s
) AS kept
