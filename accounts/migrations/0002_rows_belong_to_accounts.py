from django.db import migrations

from llmcost.tenancy.rls import USER, protect, reveal
from llmcost.tenancy.roles import STAFF


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("llmcost", "0002_who_asks_and_the_shared_cache"),
    ]
    operations = [
        protect("accounts_account", column="id"),
        reveal("accounts_account", "staff_reads", "true", role=STAFF),
        protect("accounts_membership"),
        # Which accounts am I in? Asked before any account is known.
        reveal("accounts_membership", "own_memberships", f"user_id = {USER}"),
        reveal("accounts_membership", "staff_reads", "true", role=STAFF),
    ]
