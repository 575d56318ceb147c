from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("llmcost", "0003_mails_on_their_way")]
    operations = [
        # Like the functions of migration 0002, for the policy on invitations.
        migrations.RunSQL(
            """
            CREATE FUNCTION llmcost_invitation(value text) RETURNS void
            LANGUAGE plpgsql AS $$
            BEGIN
                SET LOCAL citus.propagate_set_commands = 'local';
                SET LOCAL citus.multi_shard_modify_mode = 'sequential';
                EXECUTE format('SET LOCAL llmcost.invitation = %L', value);
            END $$;
            """,
            "DROP FUNCTION llmcost_invitation(text)",
        )
    ]
