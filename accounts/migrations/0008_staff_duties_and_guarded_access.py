"""Groups for the duties of staff, and the question that row security asks for our support."""

from typing import Any

from django.db import migrations

from llmcost.tenancy.rls import ACCOUNT, protect, reveal
from llmcost.tenancy.roles import STAFF

GROUPS = ["support", "privacy officer", "finance"]

# Runs with the rights of whoever reads, so as llmcost_staff, who may read grants and not write
# them. The clock of the statement: a transaction that lasts longer than the grant does not help.
GRANTED_ACCOUNT = f"""
CREATE FUNCTION llmcost_granted_account() RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT account_id FROM accounts_supportgrant
    WHERE account_id = {ACCOUNT} AND ended_at IS NULL AND ends_at > statement_timestamp()
    LIMIT 1
);
"""


def make_groups(apps: Any, _editor: Any) -> None:
    """Make the groups that accounts.duties names."""
    group = apps.get_model("auth", "Group")
    for name in GROUPS:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_support_access")]
    operations = [
        protect("accounts_supportgrant"),
        reveal("accounts_supportgrant", "staff_reads", "true", role=STAFF),
        migrations.RunSQL(GRANTED_ACCOUNT, "DROP FUNCTION llmcost_granted_account()"),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
