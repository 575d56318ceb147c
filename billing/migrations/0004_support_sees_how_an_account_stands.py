from django.db import migrations

from llmcost.tenancy.rls import reveal
from llmcost.tenancy.roles import STAFF


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_trial_and_limit")]
    operations = [reveal("billing_account", "staff_reads", "true", role=STAFF)]
