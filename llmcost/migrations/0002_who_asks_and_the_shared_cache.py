"""The functions that say who asks, and the table of the shared cache (rate limits of forms).

`SET LOCAL`, never `set_config()`: Citus forwards only the command to its workers, and behind a
transaction-mode pooler nothing of it outlives the transaction. Both citus settings are harmless
elsewhere.
"""

from django.db import migrations


def _function(name: str, setting: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"""
        CREATE FUNCTION {name}(value text) RETURNS void
        LANGUAGE plpgsql AS $$
        BEGIN
            SET LOCAL citus.propagate_set_commands = 'local';
            SET LOCAL citus.multi_shard_modify_mode = 'sequential';
            EXECUTE format('SET LOCAL {setting} = %L', value);
        END $$;
        """,
        f"DROP FUNCTION {name}(text)",
    )


class Migration(migrations.Migration):
    dependencies = [("llmcost", "0001_initial")]
    operations = [
        _function("llmcost_tenant", "llmcost.account_id"),
        _function("llmcost_user", "llmcost.user_id"),
        _function("llmcost_key", "llmcost.key_digest"),
        migrations.RunSQL(
            """
            CREATE TABLE llmcost_cache (
                cache_key varchar(255) PRIMARY KEY,
                value text NOT NULL,
                expires timestamptz NOT NULL
            );
            CREATE INDEX llmcost_cache_expires ON llmcost_cache (expires);
            """,
            "DROP TABLE llmcost_cache",
        ),
    ]
