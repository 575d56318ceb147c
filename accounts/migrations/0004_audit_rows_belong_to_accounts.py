from django.db import migrations

from llmcost.tenancy.rls import protect


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_states_and_audit_trail")]
    operations = [protect("accounts_auditevent")]
