"""The allow-list inside the database: whatever writes to a table of dj-stripe's, triggers cut it.

Installed after each migration, as the owner: so a table that a new dj-stripe brings has its
trigger before the first row, and the application can neither drop it nor change its rules.
"""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.models import Model

from billing.models import KeptOfStripe
from billing.stripe.allowed import rule_of

FUNCTIONS = Path(__file__).parent.parent / "sql" / "minimise_stripe.sql"
TRIGGERS = """
DO $$
DECLARE mirror text;
BEGIN
    FOR mirror IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
          AND relname LIKE 'djstripe\\_%'
    LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER llmcost_minimise BEFORE INSERT OR UPDATE ON %I'
            ' FOR EACH ROW EXECUTE FUNCTION llmcost_minimise_row()', mirror
        );
    END LOOP;
END $$;
"""
OWNED = """
    SELECT pg_get_userbyid(relowner) = current_user FROM pg_class
    WHERE oid = to_regclass('public.billing_stripe_kept')
"""


def install(using: str = "default", **_signal: Any) -> None:
    """Put functions, rules and triggers in place; does nothing unless run as the tables' owner."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute(OWNED)
        if cursor.fetchone() != (True,):
            return
        cursor.execute(FUNCTIONS.read_text())
        cursor.execute("DELETE FROM billing_stripe_kept")
        KeptOfStripe.objects.using(using).bulk_create(
            _row(model)
            for model in apps.get_app_config("djstripe").get_models(include_auto_created=True)
        )
        cursor.execute(TRIGGERS)


def _row(model: type[Model]) -> KeptOfStripe:
    rule = rule_of(model)
    table = model._meta.db_table
    return KeptOfStripe(table=table, blank=dict(rule.blank), paths=dict(rule.paths))
