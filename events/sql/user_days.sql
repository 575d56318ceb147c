-- The UTC days on which an end user made calls, folded or not.
SELECT bucket FROM events_user_day
WHERE account_id = %(account)s AND project_id = %(project)s AND user_id = %(user)s
UNION
SELECT date_bin('1 day', bucket, '2000-01-01Z') FROM events_delta
WHERE account_id = %(account)s AND project_id = %(project)s AND %(user)s = ANY(users)
