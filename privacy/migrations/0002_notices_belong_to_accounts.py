from django.db import migrations

from llmcost.tenancy.rls import protect


class Migration(migrations.Migration):
    dependencies = [("privacy", "0001_initial")]
    operations = [protect("privacy_notice")]
