from django.db import migrations

from llmcost.tenancy.rls import protect, reveal

PRESENTED = "nullif(current_setting('llmcost.sso', true), '')"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_single_sign_on"),
        ("llmcost", "0002_who_asks_and_the_shared_cache"),
    ]
    operations = [
        # As the functions of llmcost 0002, which says why it is written so.
        migrations.RunSQL(
            """
            CREATE FUNCTION llmcost_sso(value text) RETURNS void
            LANGUAGE plpgsql AS $$
            BEGIN
                SET LOCAL citus.propagate_set_commands = 'local';
                SET LOCAL citus.multi_shard_modify_mode = 'sequential';
                EXECUTE format('SET LOCAL llmcost.sso = %L', value);
            END $$;
            """,
            "DROP FUNCTION llmcost_sso(text)",
        ),
        protect("accounts_ssoconnection"),
        protect("accounts_ssodomain"),
        # Whose provider is this, whose domain? Asked before any account is known, and only for
        # the one that is presented.
        reveal("accounts_ssoconnection", "presented_provider", f"provider = {PRESENTED}"),
        reveal("accounts_ssodomain", "presented_domain", f"domain = {PRESENTED}"),
    ]
