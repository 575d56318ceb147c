-- The UTC days on which an end user has calls, folded or not; not those whose calls are all erased.
SELECT bucket FROM (
    SELECT bucket, calls FROM events_user_day
    WHERE account_id = %(account)s AND project_id = %(project)s AND user_id = %(user)s
    UNION ALL
    SELECT date_bin('1 day', bucket, '2000-01-01Z'), one.calls
    FROM events_delta, unnest(users, user_calls) AS one (user_id, calls)
    WHERE account_id = %(account)s AND project_id = %(project)s AND one.user_id = %(user)s
) AS named
GROUP BY bucket HAVING sum(calls) <> 0
