"""How many calls each month has, and at how many an account stops.

Whoever stops there has its requests stored one after another: the lock is taken by the statement
that names the account, which every request makes anyway, and the next statement sees what the one
before has committed. So the last request before the limit is the only one that can pass it.
"""

from django.db import migrations

from llmcost.tenancy.rls import protect

TABLES = """
CREATE TABLE events_month (
    account_id bigint NOT NULL,
    month timestamptz NOT NULL,
    calls bigint NOT NULL,
    PRIMARY KEY (account_id, month)
);
CREATE TABLE events_allowance (
    account_id bigint PRIMARY KEY,
    calls bigint NOT NULL CHECK (calls >= 0)
);
"""

# The owner is bound by row security too, so it is off while the months are counted once.
COUNT = """
ALTER TABLE events_quarter NO FORCE ROW LEVEL SECURITY;
INSERT INTO events_month (account_id, month, calls)
SELECT account_id, date_trunc('month', bucket, 'UTC'), sum(calls) FROM events_quarter GROUP BY 1, 2;
ALTER TABLE events_quarter FORCE ROW LEVEL SECURITY;
"""

TURN = """
CREATE FUNCTION llmcost_tenant_in_turn(value text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM llmcost_tenant(value);
    PERFORM pg_advisory_xact_lock(hashtextextended('events_allowance ' || value, 0))
    FROM events_allowance WHERE account_id = nullif(value, '')::bigint;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0003_support_looks_under_a_grant")]
    operations = [
        migrations.RunSQL(TABLES, "DROP TABLE events_month, events_allowance"),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
        protect("events_month"),
        protect("events_allowance"),
        migrations.RunSQL(TURN, "DROP FUNCTION llmcost_tenant_in_turn(text)"),
    ]
