"""Whoever is far from the limit waits for nobody.

An account's requests take turns only while its fullest month, with all that is not folded yet, is
within a margin of the limit. Whoever found it far is done within the ten seconds that a statement
of the web may take, and nobody stores as many calls as the margin meanwhile.
"""

from django.db import migrations

MARGIN = 600_000

TURN = """
CREATE OR REPLACE FUNCTION llmcost_tenant_in_turn(value text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM llmcost_tenant(value);
    PERFORM pg_advisory_xact_lock(hashtextextended('events_allowance ' || value, 0))
    FROM events_allowance AS allowance
    WHERE account_id = nullif(value, '')::bigint
      AND (calls < {margin} OR calls - {margin} <= coalesce((
              SELECT max(calls) FROM events_month WHERE account_id = allowance.account_id
          ), 0) + coalesce((
              SELECT sum(calls) FROM events_delta WHERE account_id = allowance.account_id
          ), 0));
END $$;
"""
BEFORE = """
CREATE OR REPLACE FUNCTION llmcost_tenant_in_turn(value text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM llmcost_tenant(value);
    PERFORM pg_advisory_xact_lock(hashtextextended('events_allowance ' || value, 0))
    FROM events_allowance WHERE account_id = nullif(value, '')::bigint;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0004_months_and_where_accounts_stop")]
    operations = [migrations.RunSQL(TURN.format(margin=MARGIN), BEFORE)]
