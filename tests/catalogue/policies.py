"""The rules of row security as questions to the system catalogue; each returns its offenders.

They are functions, so that the mutation tests can ask them again after breaking something.
"""

from django.apps import apps
from psycopg import Connection

from llmcost.tenancy.grants import STAFF_READS_UNDER_GRANT
from llmcost.tenancy.rls import ACCOUNT, GRANTED

# Tables without rows of an account, each with its reason.
GLOBAL_TABLES = {
    "account_emailaddress": "allauth: a person's address, above accounts",
    "account_emailconfirmation": "allauth: as above",
    "accounts_session": "found by a random key, or by the person whose it is",
    "accounts_staffact": "what our staff did: our side of the trail, numbers only",
    "accounts_user": "a person may belong to several accounts",
    "accounts_user_groups": "Django: unused by customers",
    "accounts_user_user_permissions": "Django: unused by customers",
    "auth_group": "Django",
    "billing_departed": "ids of customers whose accounts are gone, until Stripe has deleted them",
    "billing_stripe_inbox": "ids of Stripe's events and objects, before it is known whose",
    "billing_stripe_kept": "the allow-list of what may be kept of Stripe's objects",
    "auth_group_permissions": "Django",
    "auth_permission": "Django",
    "django_admin_log": "what support staff did",
    "django_content_type": "Django",
    "django_migrations": "Django",
    "events_rate": "the public price catalogue",
    "mfa_authenticator": "a person's second factors, above accounts",
    "llmcost_cache": "hashed keys of rate limits",
    "llmcost_duework": "ids of accounts and times, read across accounts by design",
    "llmcost_heartbeat": "health",
    "llmcost_outgoingmail": "mails on their way out, read by the worker alone",
    "llmcost_scheduletick": "scheduler",
    "privacy_consent": "choices of visitors about cookies, under random numbers",
    "privacy_dailysalt": "our own analytics, about nobody",
    "privacy_usecount": "our own analytics, about nobody",
    "privacy_visitorcount": "our own analytics, about nobody",
    "privacy_visitormark": "our own analytics: numbers that only today's secret makes",
    "privacy_appliedtombstone": "ids of deletions that this database has, for a restored one",
    "privacy_clockwatch": "the clock",
    "privacy_purge": "ids and counts of purges; they outlive the account",
    "privacy_receipt": "proof of deletions, about nobody; it outlives the account",
    "privacy_receipthead": "the newest receipt",
    "privacy_datarequest": "asked of us by people with and without an account; names nobody",
    "privacy_message": "letters to us, sealed; most who write have no account",
    "privacy_registration": "installations of others: an address and a plan, no account",
    "socialaccount_socialaccount": "a person's ways to sign in, above accounts",
    "socialaccount_socialapp": "allauth: stays empty, providers come from the environment",
    "socialaccount_socialtoken": "allauth: stays empty, tokens are not kept",
    "privacy_publication": "versions of our own documents",
    "privacy_requeststep": "steps of those requests",
    "privacy_thread": "letters to us: as above",
} | {
    model._meta.db_table: "dj-stripe: nobody but the worker may look"
    for model in apps.get_app_config("djstripe").get_models(include_auto_created=True)
}
TENANT_COLUMN = {"accounts_account": "id"}
# What a table may show besides its own rows, and to whom.
EXTRA_POLICIES = {
    ("billing_account", "named_customer", "llmcost_worker"),
    ("accounts_account", "staff_reads", "llmcost_staff"),
    ("accounts_membership", "staff_reads", "llmcost_staff"),
    ("accounts_membership", "own_memberships", "public"),
    ("accounts_supportgrant", "staff_reads", "llmcost_staff"),
    ("billing_account", "staff_reads", "llmcost_staff"),
    ("accounts_invitation", "presented_invitation", "public"),
    ("accounts_ssoconnection", "presented_provider", "public"),
    ("accounts_ssodomain", "presented_domain", "public"),
    ("projects_project", "staff_reads", "llmcost_staff"),
    ("projects_apikey", "staff_reads", "llmcost_staff"),
    ("projects_apikey", "presented_key", "public"),
}
# Unique indexes on tenant tables that do not lead with the account, each with its reason.
ORACLE_FREE = {
    "accounts_account_pkey": "the account itself",
    "account_public_id_once": "122 random bits",
    "billing_account_customer_once": "an id that Stripe draws",
    "billing_invoice_pkey": "a number nobody chooses",
    "billing_overage_pkey": "a number nobody chooses",
    "accounts_auditevent_pkey": "a number nobody chooses",
    "erasure_public_id_once": "122 random bits",
    "privacy_erasure_pkey": "a number nobody chooses",
    "export_public_id_once": "122 random bits",
    "privacy_export_pkey": "a number nobody chooses",
    "privacy_refuseduser_pkey": "a number nobody chooses",
    "accounts_ssoconnection_pkey": "a number nobody chooses",
    "accounts_ssodomain_pkey": "a number nobody chooses",
    "sso_provider_once": "122 random bits",
    "sso_domain_once": "told only to who has a confirmed address in that domain",
    "accounts_membership_pkey": "a number nobody chooses",
    "accounts_supportgrant_pkey": "a number nobody chooses",
    "accounts_invitation_pkey": "a number nobody chooses",
    "invitation_token_once": "a hash of 256 random bits",
    "projects_project_pkey": "a number nobody chooses",
    "projects_apikey_pkey": "a number nobody chooses",
    "privacy_notice_pkey": "a number nobody chooses",
    "privacy_referral_pkey": "a number nobody chooses",
    "apikey_digest_once": "a keyed hash of 190 random bits",
}
# What only the worker touches, and what it may do there besides the application.
WORKERS_OWN = ("djstripe_", "billing_stripe_inbox")
DEFINER_FUNCTIONS = {
    "llmcost_event_partitions",
    "llmcost_calls_by_month",
    "llmcost_purge_kept_trail",
}

_TABLES = """
    SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
"""


def unprotected_tables(connection: Connection) -> set[str]:
    """Tables that are neither protected nor known to hold nobody's rows."""
    offenders = set()
    for name, enabled, forced, is_partition in connection.execute(_TABLES):
        holds_rows = is_partition or name not in GLOBAL_TABLES
        if holds_rows and not (enabled and forced):
            offenders.add(f"{name}: row security is not enabled and forced")
    return offenders


def wrong_policies(connection: Connection) -> set[str]:
    """Policies that are missing, loose or unknown."""
    offenders = set()
    policies = {}
    for table, name, permissive, roles, command, using, check in connection.execute(
        "SELECT tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies "
        "WHERE schemaname = 'public'"
    ):
        policies[table, name] = (permissive, roles, command, using, check)
    for name, _, _, is_partition in connection.execute(_TABLES):
        if is_partition or name in GLOBAL_TABLES:
            continue
        column = TENANT_COLUMN.get(name, "account_id")
        found = policies.pop((name, "own_rows"), None)
        own = _as_stored(connection, f"{column} = {ACCOUNT}")
        if found is None or found != ("PERMISSIVE", ["public"], "ALL", own, own):
            offenders.add(f"{name}: own_rows is missing or says something else")
    for table in STAFF_READS_UNDER_GRANT:
        guard = policies.pop((table, "under_grant"), None)
        if guard != ("RESTRICTIVE", ["llmcost_staff"], "SELECT", f"({GRANTED})", None):
            offenders.add(f"{table}: open to staff without a grant")
    for (table, name), (_, roles, command, _using, _check) in policies.items():
        if (table, name, roles[0]) not in EXTRA_POLICIES or command != "SELECT":
            offenders.add(f"{table}: unknown policy {name}")
    return offenders


def _as_stored(connection: Connection, expression: str) -> str:
    """Write an expression as PostgreSQL prints a policy."""
    column, _, rest = expression.partition(" = ")
    setting = "NULLIF(current_setting('llmcost.account_id'::text, true), ''::text)"
    assert rest == "nullif(current_setting('llmcost.account_id', true), '')::bigint"
    return f"({column} = ({setting})::bigint)"


def grants_beyond_rows(connection: Connection) -> set[str]:
    """Privileges of anybody but the owner that are more than reading and writing rows."""
    offenders = set()
    rows = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    for grantee, table, privilege in connection.execute(
        "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE table_schema = 'public' AND grantee <> 'llmcost_owner'"
    ):
        if grantee == "llmcost_worker":
            allowed = rows if table.startswith(WORKERS_OWN) else set()
        else:
            allowed = rows if grantee == "llmcost_app" else set()
        if grantee == "llmcost_staff" and table in STAFF_READS_UNDER_GRANT:
            allowed = {"SELECT"}
        if privilege not in allowed:
            offenders.add(f"{grantee} may {privilege} {table}")
    # Not in the standard's view: vacuuming, which is the worker's.
    for grantee, table in connection.execute(
        "SELECT acl.grantee::regrole::text, relname FROM pg_class, aclexplode(relacl) AS acl "
        "WHERE relnamespace = 'public'::regnamespace AND acl.privilege_type = 'MAINTAIN' "
        "AND acl.grantee NOT IN (relowner, 'llmcost_worker'::regrole)"
    ):
        offenders.add(f"{grantee} may MAINTAIN {table}")
    return offenders


def open_mirror(connection: Connection) -> set[str]:
    """Tables of dj-stripe's that somebody but the worker may touch, be it one column."""
    return {
        f"{grantee} may {privilege} {table}"
        for grantee, privilege, table in connection.execute(
            "SELECT acl.grantee::regrole::text, acl.privilege_type, relname FROM pg_class c "
            "JOIN LATERAL (SELECT relacl UNION ALL SELECT attacl FROM pg_attribute "
            "WHERE attrelid = c.oid) AS given (acl) ON true, aclexplode(given.acl) AS acl "
            "WHERE relname LIKE 'djstripe\\_%' "
            "AND acl.grantee NOT IN (relowner, 'llmcost_worker'::regrole)"
        )
    }


def unguarded_mirror(connection: Connection) -> set[str]:
    """Tables of dj-stripe's without the trigger that cuts each row down, or without a rule."""
    return {
        f"{table}: whatever is written there stays"
        for (table,) in connection.execute(
            "SELECT relname FROM pg_class c WHERE relname LIKE 'djstripe\\_%' "
            "AND relkind IN ('r', 'p') AND (NOT EXISTS (SELECT FROM pg_trigger t "
            "WHERE t.tgrelid = c.oid AND tgname = 'llmcost_minimise' AND tgenabled IN ('O', 'A') "
            "AND tgfoid = 'llmcost_minimise_row'::regproc "
            # before, for each row, on insert and on update; no condition
            "AND tgtype = 1 + 2 + 4 + 16 AND tgqual IS NULL AND tgattr = '') "
            'OR NOT EXISTS (SELECT FROM billing_stripe_kept k WHERE k."table" = relname))'
        )
    }


def read_by_staff(connection: Connection) -> set[str]:
    """Tenant tables of which staff may read anything and that neither show themselves to staff by
    a policy of their own nor are guarded by the customer's grant."""
    shown = {table for table, name, _ in EXTRA_POLICIES if name == "staff_reads"}
    return {
        f"{table}: staff may read it"
        for (table,) in connection.execute(
            "SELECT DISTINCT table_name FROM information_schema.column_privileges "
            "WHERE grantee = 'llmcost_staff' AND table_schema = 'public'"
        )
        if table not in GLOBAL_TABLES and table not in shown | STAFF_READS_UNDER_GRANT
    }


def granted_partitions(connection: Connection) -> set[str]:
    """Partitions that anybody but their owner may read: their parent's policies would not hold."""
    return {
        name
        for (name,) in connection.execute(
            "SELECT relname FROM pg_class, aclexplode(relacl) AS acl "
            "WHERE relispartition AND relkind = 'r' AND acl.grantee <> relowner "
            "AND acl.privilege_type <> 'MAINTAIN'"
        )
    }


def loose_objects(connection: Connection) -> set[str]:
    """Views with their owner's rights, materialized views, functions with others' rights."""
    offenders = set()
    for name, kind, options in connection.execute(
        "SELECT relname, relkind::text, reloptions FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')"
    ):
        if kind == "m" or "security_invoker=true" not in (options or []):
            offenders.add(f"{name}: shows its owner's rows")
    for name, config, public in connection.execute(
        "SELECT proname, proconfig, EXISTS (SELECT FROM aclexplode(coalesce(proacl, "
        "acldefault('f', proowner))) AS acl WHERE acl.grantee = 0) FROM pg_proc "
        "WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    ):
        if name not in DEFINER_FUNCTIONS:
            offenders.add(f"{name}: runs with its owner's rights")
        if public or not any(one.startswith("search_path=pg_catalog") for one in config or []):
            offenders.add(f"{name}: open to everybody or to a hijacked search_path")
    return offenders


def oracles(connection: Connection) -> set[str]:
    """Unique indexes and foreign keys by which one account could probe for another's rows."""
    offenders = set()
    for table, index, first in connection.execute(
        "SELECT c.relname, i.relname, a.attname FROM pg_index x "
        "JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0] "
        "WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
    ):
        leads = first == "account_id"
        if table not in GLOBAL_TABLES and not leads and index not in ORACLE_FREE:
            offenders.add(f"{table}: unique index {index} does not lead with the account")
    for table, name, target, columns in connection.execute(
        "SELECT c.conrelid::regclass::text, c.conname, c.confrelid::regclass::text, "
        "array_agg(a.attname::text) FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey) "
        "WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace GROUP BY 1, 2, 3"
    ):
        both = table not in GLOBAL_TABLES and target not in GLOBAL_TABLES
        if both and "account_id" not in columns:
            offenders.add(f"{table}: foreign key {name} does not name the account")
    return offenders


CHECKS = (
    unprotected_tables,
    wrong_policies,
    grants_beyond_rows,
    open_mirror,
    unguarded_mirror,
    read_by_staff,
    granted_partitions,
    loose_objects,
    oracles,
)


def offenders(connection: Connection) -> set[str]:
    """Everything that breaks a rule."""
    return set().union(*(check(connection) for check in CHECKS))
