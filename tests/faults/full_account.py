"""An account with a row in every table that can hold one of it, also in tomorrow's."""

from types import SimpleNamespace

import psycopg
from psycopg import sql

from privacy.plan import is_kept_by_law, outlives_its_account

MARK = "CANARY"
TABLES = """
    SELECT table_name FROM information_schema.columns JOIN information_schema.tables
        USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name = 'account_id'
        AND data_type = 'bigint' AND table_name IN (
            SELECT table_name FROM information_schema.columns
            WHERE table_schema = 'public' AND column_name = %s)
        AND NOT (SELECT relispartition FROM pg_class WHERE oid = table_name::regclass)
"""
COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, NULL), information_schema._pg_char_max_length(
        a.atttypid, a.atttypmod)
    FROM pg_attribute a
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
        AND (a.attnotnull OR a.attname = 'account_id')
        AND NOT a.atthasdef AND a.attidentity = ''
"""
VALUES = {
    "boolean": "false",
    "uuid": "gen_random_uuid()",
    "jsonb": f"""'{{"mark": "{MARK}"}}'""",
    "date": "current_date",
    "timestamp with time zone": "now() + interval '1 day'",
    "character varying[]": f"'{{{MARK}}}'",
    "text[]": f"'{{{MARK}}}'",
}
# What a check of the table asks for.
FITTING = {
    ("billing_account", "card_last4"): "'4242'",
    ("billing_account", "stripe_customer_id"): "'cus_1'",  # kept until Stripe has deleted it
    ("privacy_erasure", "scope"): "'user'",
}


def fill(dsn: str, company: SimpleNamespace, of: str = "account_id") -> None:
    """Put a marked row of this company, or of its project, into each table that has none yet."""
    whose = {"account_id": company.account.pk, "project_id": company.project.pk}[of]
    with psycopg.connect(dsn) as admin:
        # Rows that refer to none: what counts here is that they are there.
        admin.execute("SET session_replication_role = replica")
        for (table,) in admin.execute(TABLES, [of]).fetchall():
            held = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
                sql.Identifier(table), sql.Identifier(of)
            )
            if admin.execute(held, [whose]).fetchone() is None:
                _add_row(admin, table, company)


def _add_row(admin: psycopg.Connection, table: str, company: SimpleNamespace) -> None:
    known = {
        "account_id": company.account.pk,
        "project_id": company.project.pk,
        "user_id": company.owner.pk,
    }
    columns = admin.execute(COLUMNS, [table]).fetchall()
    mark = "kept" if outlives_its_account(table) or is_kept_by_law(table) else MARK
    values = []
    for name, kind, length in columns:
        if (table, name) in FITTING:
            values.append(FITTING[table, name])
        elif name in known and kind == "bigint":
            values.append(str(known[name]))
        elif kind in ("text", "character varying"):
            values.append(f"'{mark[:length]}'")
        elif kind.endswith("[]"):
            values.append(VALUES.get(kind, "'{}'").replace(MARK, mark))
        else:
            values.append(VALUES.get(kind, "1").replace(MARK, mark))
    admin.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.Identifier(name) for name, *_ in columns),
            sql.SQL(", ").join(map(sql.SQL, values)),
        )
    )
