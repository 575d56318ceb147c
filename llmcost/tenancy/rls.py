"""Row security as migration operations, the same for every table.

The policy is an inline expression (Citus refuses a sub-select in one), and `nullif` because a
re-used connection holds '' where a fresh one holds NULL: without it the cast raises.
"""

from django.db import migrations

from llmcost.tenancy.roles import STAFF

ACCOUNT = "nullif(current_setting('llmcost.account_id', true), '')::bigint"
GRANTED = "account_id = llmcost_granted_account()"
USER = "nullif(current_setting('llmcost.user_id', true), '')::bigint"


def protect(table: str, *, column: str = "account_id") -> migrations.RunSQL:
    """Let a table's rows be seen and written only by the account that owns them.

    FORCE binds the table's owner too; without it our own migrations could read every tenant. With
    no account set the condition is NULL and no row is visible.
    """
    own = f"{column} = {ACCOUNT}"
    return migrations.RunSQL(
        sql=f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY own_rows ON {table} USING ({own}) WITH CHECK ({own});
        """,
        reverse_sql=f"""
            DROP POLICY own_rows ON {table};
            ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
            ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """,
    )


def reveal(table: str, name: str, condition: str, *, role: str = "public") -> migrations.RunSQL:
    """Let rows that meet `condition` be read (never written) besides the account's own."""
    return migrations.RunSQL(
        sql=f"CREATE POLICY {name} ON {table} FOR SELECT TO {role} USING ({condition});",
        reverse_sql=f"DROP POLICY {name} ON {table};",
    )


def only_under_grant(table: str) -> migrations.RunSQL:
    """Close a table to support staff, but for the account whose grant is in force.

    RESTRICTIVE: whatever else lets staff see a row, this must hold too. The function reads
    accounts_supportgrant, which staff cannot write (docs/decisions/0009).
    """
    return migrations.RunSQL(
        sql=f"""
            CREATE POLICY under_grant ON {table} AS RESTRICTIVE FOR SELECT TO {STAFF}
                USING ({GRANTED});
        """,
        reverse_sql=f"DROP POLICY under_grant ON {table};",
    )
