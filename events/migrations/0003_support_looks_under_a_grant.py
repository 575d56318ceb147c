"""What our support may know of calls: their number by month, and all else under a grant only."""

from django.db import migrations

from llmcost.tenancy.rls import only_under_grant

# Runs with its owner's rights, inside the account's context, and returns nothing but a number for
# each month: no model, no feature, no user, no cost. The caller's own context is put back.
CALLS_BY_MONTH = """
CREATE FUNCTION llmcost_calls_by_month(account bigint) RETURNS TABLE (month date, calls bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before text := coalesce(current_setting('llmcost.account_id', true), '');
BEGIN
    PERFORM public.llmcost_tenant(account::text);
    RETURN QUERY
        SELECT date_trunc('month', bucket AT TIME ZONE 'UTC')::date, sum(part.calls)::bigint
        FROM (
            SELECT q.bucket, q.calls FROM public.events_quarter q WHERE q.account_id = account
            UNION ALL
            SELECT d.bucket, d.calls FROM public.events_delta d WHERE d.account_id = account
        ) AS part
        WHERE bucket >= now() - interval '12 months'
        GROUP BY 1 HAVING sum(part.calls) <> 0 ORDER BY 1 DESC;
    PERFORM public.llmcost_tenant(before);
END $$;
REVOKE ALL ON FUNCTION llmcost_calls_by_month(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION llmcost_calls_by_month(bigint) TO llmcost_staff;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0002_calls_of_users_inside_deltas"),
        ("accounts", "0008_staff_duties_and_guarded_access"),
    ]
    operations = [
        only_under_grant("events_event"),
        only_under_grant("events_delta"),
        only_under_grant("events_quarter"),
        only_under_grant("events_user_day"),
        migrations.RunSQL(CALLS_BY_MONTH, "DROP FUNCTION llmcost_calls_by_month(bigint)"),
    ]
