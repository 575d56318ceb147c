"""Row security, and the end of trails that only grow."""

from django.db import migrations

from llmcost.tenancy.rls import protect

# Runs with its owner's rights, because the application may not delete from these tables; it does
# so only for the account of the transaction's context, and only when that account's purge is due.
PURGE = """
CREATE FUNCTION llmcost_purge_kept_trail(name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account bigint := nullif(current_setting('llmcost.account_id', true), '')::bigint;
    gone bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.accounts_account
        WHERE id = account AND closed_at IS NOT NULL AND purge_due_at <= now()
    ) THEN
        RAISE EXCEPTION 'no purge is due';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname = name
          AND relrowsecurity AND relforcerowsecurity
    ) THEN
        RAISE EXCEPTION 'not a table of accounts';
    END IF;
    EXECUTE format('DELETE FROM public.%I WHERE account_id = $1', name) USING account;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION llmcost_purge_kept_trail(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION llmcost_purge_kept_trail(text) TO llmcost_app;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("privacy", "0007_deletions_and_receipts"),
        ("accounts", "0004_audit_rows_belong_to_accounts"),
    ]
    operations = [
        protect("privacy_erasure"),
        protect("privacy_refuseduser"),
        migrations.RunSQL(PURGE, "DROP FUNCTION llmcost_purge_kept_trail(text)"),
    ]
