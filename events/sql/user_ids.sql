-- Every end user of a project, folded or not.
SELECT user_id FROM events_user_day
WHERE account_id = %(account)s AND project_id = %(project)s AND user_id <> ''
UNION
SELECT one FROM events_delta, unnest(users) AS one
WHERE account_id = %(account)s AND project_id = %(project)s AND one <> ''
