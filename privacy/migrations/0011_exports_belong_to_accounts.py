from django.db import migrations

from llmcost.tenancy.rls import protect


class Migration(migrations.Migration):
    dependencies = [("privacy", "0010_exports")]
    operations = [protect("privacy_export")]
