from django.db import migrations

from llmcost.tenancy.rls import protect, reveal

PRESENTED = "token_hash = nullif(current_setting('llmcost.invitation', true), '')"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_invitations"),
        ("llmcost", "0004_who_presents_an_invitation"),
    ]
    operations = [
        protect("accounts_invitation"),
        # Whose invitation is this? Asked before any account is known, and only for the token that
        # was presented.
        reveal("accounts_invitation", "presented_invitation", PRESENTED),
    ]
