"""What each database role may touch, applied after every migration and checked by tests.

The application role may read and write rows of tables, never of partitions: a granted partition
would ignore its parent's row security. The worker inherits its grants; it may also vacuum every
table and partition (PostgreSQL 17 and newer), which shows it nothing. Nobody but the owner may
truncate, reference or trigger.
"""

from typing import Any

from django.db import connections

from llmcost.tenancy.roles import APP, MAINTAIN_FROM, STAFF, WORKER

# Tables that the application reads and does not write.
READ_ONLY = {
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "billing_stripe_kept",
}

# Tables to which the application may add, and never change or delete what stands there.
APPEND_ONLY = {
    *("accounts_auditevent", "accounts_staffact", "billing_stripe_inbox", "privacy_requeststep")
}

# Tables of which web requests see nothing: dj-stripe's mirror of Stripe, written by the worker.
WORKER_ONLY = ("djstripe_",)

# Tables that the worker may change besides what the application may do to them.
WORKER_WRITES = {"billing_stripe_inbox"}

# What the worker may blank in rows that stay otherwise as they were written.
WORKER_BLANKS = {"accounts_staffact": ["subject", "reason"]}

# What support staff may see at any time, column by column. Not here: every event table, a key's
# hash, a person's password. Rows are opened by policies of their own (`staff_reads`).
STAFF_READS: dict[str, list[str]] = {
    "accounts_account": [
        *("id", "public_id", "name", "created_at", "closed_at", "purge_due_at", "suspended_at"),
        "sso_required",
    ],
    "accounts_membership": ["id", "account_id", "user_id", "role", "joined_at"],
    "accounts_user": ["id", "email", "name", "is_active", "is_staff", "last_login", "joined_at"],
    "account_emailaddress": ["id", "user_id", "email", "verified"],
    "projects_project": [
        *("id", "account_id", "slug", "name", "timezone", "created_at", "archived_at"),
        "retention_days",
    ],
    # That somebody has asked or written, and when; what, only through the pages of requests.
    "privacy_datarequest": [
        *("id", "reference", "kind", "state", "received_at", "due_at", "closed_at", "user_id"),
    ],
    "privacy_thread": ["id", "reference", "topic", "last_at", "waiting_since", "user_id"],
    "projects_apikey": [
        *("id", "account_id", "project_id", "name", "hint", "scopes", "created_at"),
        *("last_used_at", "rotated_at", "expires_at", "revoked_at"),
    ],
    "billing_account": [
        *("account_id", "plan", "status", "stripe_customer_id", "period_end", "trial_until"),
        *("cancel_at_period_end", "past_due_since"),
    ],
    "accounts_supportgrant": [
        *("id", "account_id", "reason", "granted_by_id", "granted_at", "ends_at", "ended_at")
    ],
    "accounts_staffact": ["id", "at", "staff_id", "account_id", "action", "subject", "reason"],
    "events_rate": ["id", "catalogue", "provider", "model", "units", "first_used_at"],
}

# What support staff may read whole, of the one account that has granted it: each of these tables
# has the policy of `rls.only_under_grant`, without which the catalogue's checks turn red.
STAFF_READS_UNDER_GRANT = {
    *("events_event", "events_delta", "events_quarter", "events_user_day"),
}

# Sequences that the application draws from itself; identity columns need no grant.
SEQUENCES = {"accounts_account_id_seq": "accounts_account"}

EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"

TABLES = """
    SELECT c.relname, c.relispartition
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND pg_get_userbyid(c.relowner) = current_user
"""


def apply(using: str = "default", **_signal: Any) -> None:
    """Set every grant of our tables; idempotent; does nothing unless run as their owner."""
    with connections[using].cursor() as cursor:
        cursor.execute(TABLES)
        tables = cursor.fetchall()
        if not tables:
            return
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {APP}, {WORKER}, {STAFF}")
        cursor.execute(
            "SELECT current_setting('server_version_num')::integer >= %s", [MAINTAIN_FROM]
        )
        [may_maintain] = cursor.fetchone()
        if may_maintain:  # also the partitions that are made later
            cursor.execute(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT MAINTAIN ON TABLES TO {WORKER}"
            )
        for table, is_partition in tables:
            cursor.execute(f'REVOKE ALL ON "{table}" FROM PUBLIC, {APP}, {WORKER}, {STAFF}')
            if may_maintain:
                cursor.execute(f'GRANT MAINTAIN ON "{table}" TO {WORKER}')
            if is_partition:
                continue
            hidden = table.startswith(WORKER_ONLY)
            if not hidden:
                # The worker, too: it inherits what the application may do.
                cursor.execute(f'GRANT {_verbs(table)} ON "{table}" TO {APP}')
            if hidden or table in WORKER_WRITES:
                cursor.execute(f'GRANT {EVERYTHING} ON "{table}" TO {WORKER}')
            if columns := WORKER_BLANKS.get(table):
                cursor.execute(f'GRANT UPDATE ({", ".join(columns)}) ON "{table}" TO {WORKER}')
            if columns := STAFF_READS.get(table):
                cursor.execute(f'GRANT SELECT ({", ".join(columns)}) ON "{table}" TO {STAFF}')
            if table in STAFF_READS_UNDER_GRANT:
                cursor.execute(f'GRANT SELECT ON "{table}" TO {STAFF}')
        present = {table for table, _ in tables}
        for sequence, table in SEQUENCES.items():
            if table in present:
                cursor.execute(f"GRANT USAGE ON SEQUENCE {sequence} TO {APP}")


def _verbs(table: str) -> str:
    if table in READ_ONLY:
        return "SELECT"
    return "SELECT, INSERT" if table in APPEND_ONLY else EVERYTHING
