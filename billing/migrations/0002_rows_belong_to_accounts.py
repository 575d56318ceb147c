"""Row security, and one more question: whose customer does Stripe speak of?

The worker asks it before any account is known, and sees the row of that customer only.
"""

from django.db import migrations

from llmcost.tenancy.rls import protect, reveal
from llmcost.tenancy.roles import WORKER

NAMED = "stripe_customer_id = nullif(current_setting('llmcost.stripe_customer', true), '')"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_initial"),
        ("llmcost", "0002_who_asks_and_the_shared_cache"),
    ]
    operations = [
        protect("billing_account"),
        protect("billing_invoice"),
        protect("billing_overage"),
        reveal("billing_account", "named_customer", NAMED, role=WORKER),
        migrations.RunSQL(
            """
            CREATE FUNCTION llmcost_customer(value text) RETURNS void
            LANGUAGE plpgsql AS $$
            BEGIN
                EXECUTE format('SET LOCAL llmcost.stripe_customer = %L', value);
            END $$;
            """,
            "DROP FUNCTION llmcost_customer(text)",
        ),
    ]
