from django.db import migrations

from llmcost.tenancy.rls import protect, reveal
from llmcost.tenancy.roles import STAFF

PRESENTED = "digest = nullif(current_setting('llmcost.key_digest', true), '')"


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0001_initial"),
        ("accounts", "0002_rows_belong_to_accounts"),
    ]
    operations = [
        # A key can only point at a project of its own account; a plain key would also tell
        # whether a foreign project's id exists.
        migrations.RunSQL(
            """
            ALTER TABLE projects_apikey ADD CONSTRAINT apikey_of_own_project
                FOREIGN KEY (account_id, project_id)
                REFERENCES projects_project (account_id, id)
                DEFERRABLE INITIALLY DEFERRED
            """,
            "ALTER TABLE projects_apikey DROP CONSTRAINT apikey_of_own_project",
        ),
        protect("projects_project"),
        reveal("projects_project", "staff_reads", "true", role=STAFF),
        protect("projects_apikey"),
        # Whose key is this? Asked before any account is known, and only for the hash presented.
        reveal("projects_apikey", "presented_key", PRESENTED),
        reveal("projects_apikey", "staff_reads", "true", role=STAFF),
    ]
