from django.db import migrations

from llmcost.tenancy.rls import protect


class Migration(migrations.Migration):
    dependencies = [("privacy", "0003_letters_and_requests")]
    operations = [protect("privacy_referral")]
