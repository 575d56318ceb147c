"""What can be asked of a running installation about our promises; see privacy.report."""

from collections import Counter
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q

from accounts.models import User
from billing.models import DepartedCustomer
from llmcost import clock
from llmcost.models import DueWork
from llmcost.up import backups
from llmcost.up.backups import made_at
from privacy import consent
from privacy.correspondence.services import KEPT
from privacy.erasure import ERASE, GIVEN_UP
from privacy.inventory.registry import declared_columns
from privacy.models import (
    DailySalt,
    DataRequest,
    Kind,
    Publication,
    Purge,
    Thread,
    VisitorMark,
)
from privacy.policy.drafting import outdated
from privacy.policy.publication import rewritten, unpublished
from privacy.policy.subprocessors import processors
from privacy.receipts import broken_links
from privacy.report import Outcome, promise
from privacy.requests.services import WITH_US, days_left

# How late the hourly and daily tasks may be before something is wrong.
HOURS_LATE, DAYS_LATE = timedelta(hours=3), timedelta(days=2)
# "Immediately", as long as people answer.
CHILD_DAYS = timedelta(days=3)

COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
"""
# Tables that name accounts and hold nothing of theirs but times and numbers.
OURS = ["llmcost_duework", "privacy_purge", "accounts_staffact"]
UNPROTECTED = """
    SELECT c.relname FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' AND a.attnotnull
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND a.atttypid = 'bigint'::regtype  -- Stripe has accounts of its own, with names
      AND c.relname <> ALL(%s)
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity
               AND (c.relispartition OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)))
    ORDER BY 1
"""
ROLES = """
    SELECT rolname FROM pg_roles r
    WHERE pg_has_role(current_user, oid, 'MEMBER')
      AND (rolsuper OR rolbypassrls OR rolcreaterole
           OR EXISTS (SELECT FROM pg_class WHERE relowner = r.oid AND relkind IN ('r', 'p')
                      AND relnamespace = 'public'::regnamespace))
    ORDER BY 1
"""
TLS = """
    SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
        OR inet_client_addr() IS NULL OR inet_client_addr() <<= '127.0.0.0/8'
        OR inet_client_addr() = '::1'
"""


@promise(5, "every column of the database is declared")
def declared() -> Outcome:
    unknown = [
        f"{table}.{column}"
        for table, column in _rows(COLUMNS)
        # Partitions have their parent's columns; nobody is granted one.
        if column not in (declared_columns(table) or {})
    ]
    return _none(unknown, "undeclared")


@promise(6, "yesterday's visitors cannot be told any more")
def no_yesterday() -> Outcome:
    oldest = (clock.now() - HOURS_LATE).date()
    left = VisitorMark.objects.filter(day__lt=oldest).count()
    secrets = DailySalt.objects.filter(day__lt=oldest).count()
    return Outcome(not left and not secrets, f"{left} marks and {secrets} secrets of days before")


@promise(7, "letters older than two years are gone")
def old_letters() -> Outcome:
    is_open = DataRequest.objects.filter(thread=OuterRef("pk"), closed_at=None)
    old = Thread.objects.filter(~Exists(is_open), last_at__lt=clock.now() - KEPT - DAYS_LATE)
    return Outcome(not old.exists(), f"{old.count()} older, of {Thread.objects.count()}")


@promise(10, "every processor is named")
def processors_named() -> Outcome:
    nameless = [str(one.recipient) for one in processors() if not one.company]
    if settings.LOCAL_MODE:
        return Outcome(holds=True, detail="local installation: nobody else is served")
    return _none(nameless, "not named in privacy/policy/subprocessors.toml")


@promise(12, "closed accounts are purged in time")
def purged() -> Outcome:
    late = Purge.objects.filter(done_at=None, due_at__lt=clock.now() - DAYS_LATE).count()
    return Outcome(not late, f"{late} late, {Purge.objects.filter(done_at=None).count()} planned")


@promise(12, "customers of deleted accounts are deleted at Stripe")
def departed() -> Outcome:
    late = DepartedCustomer.objects.filter(since__lt=clock.now() - DAYS_LATE).count()
    return Outcome(not late, f"{late} wait for longer than {DAYS_LATE.days} days")


@promise(12, "receipts of deletions are unbroken")
def receipts_sound() -> Outcome:
    return _none([str(number) for number in broken_links()], "broken")


@promise(12, "deletions are worked off")
def erased() -> Outcome:
    late = DueWork.objects.filter(kind=ERASE, due_at__lt=clock.now() - HOURS_LATE).count()
    given_up = DueWork.objects.filter(kind=GIVEN_UP).count()
    return Outcome(
        not late and not given_up,
        f"{late} accounts wait for longer than {HOURS_LATE}, {given_up} were given up for today",
    )


@promise(12, "no backup is older than the policy says")
def backups_in_time() -> Outcome:
    oldest = clock.now() - timedelta(days=settings.BACKUP_DAYS) - DAYS_LATE
    old = [path.name for path in backups.backups(settings.BACKUP_DIR) if made_at(path) < oldest]
    return _none(old, f"older than {settings.BACKUP_DAYS} days")


@promise(13, "row security is forced on every table of a customer")
def row_security() -> Outcome:
    return _none([name for (name,) in _rows(UNPROTECTED, OURS)], "unprotected")


@promise(13, "this process cannot get around row security")
def roles() -> Outcome:
    return _none([name for (name,) in _rows(ROLES)], "too mighty")


@promise(13, "data travel encrypted")
def encrypted() -> Outcome:
    https = settings.LOCAL_MODE or settings.PUBLIC_URL.startswith("https://")
    [[database]] = _rows(TLS)
    said = {True: "encrypted or local", False: "in the open"}
    return Outcome(https and database, f"pages {said[https]}, database {said[database]}")


@promise(14, "no analytics ask or load that the policy in force does not name")
def analytics_announced() -> Outcome:
    if not settings.ANALYTICS_SCRIPT:
        return Outcome(holds=True, detail="nobody's are configured")
    version = consent.asking_version()
    named = f"named by version {version}" if version else "not named: nothing is asked or loaded"
    return Outcome(version is not None, f"{settings.ANALYTICS_NAME}: {named}")


@promise(15, "requests are answered in time")
def requests_in_time() -> Outcome:
    waiting = list(DataRequest.objects.filter(closed_at=None))
    overdue = sum(days_left(one) < 1 for one in waiting)
    ages = Counter(min((clock.now() - one.received_at).days // 7, 4) for one in waiting)
    by_week = ", ".join(
        f"{ages[week]} in week {week + 1}{' or later' if week == 4 else ''}"
        for week in sorted(ages)
    )
    return Outcome(
        not overdue, f"{len(waiting)} open, {overdue} overdue" + f" ({by_week})" * bool(by_week)
    )


@promise(16, "reports of children do not wait")
def children() -> Outcome:
    late = DataRequest.objects.filter(
        kind=Kind.CHILD, state__in=WITH_US, received_at__lt=clock.now() - CHILD_DAYS
    ).count()
    return Outcome(not late, f"{late} older than {CHILD_DAYS.days} days")


@promise(17, "every version of our documents is published")
def published() -> Outcome:
    return _none([f"{kind} {one.version}" for kind, one in unpublished()], "not published")


@promise(17, "the newest policy says what is stored now")
def policy_says_it() -> Outcome:
    return _none(outdated(), "tables outdated, a new version is needed (manage.py draft_policy)")


@promise(17, "what was published was not changed afterwards")
def not_rewritten() -> Outcome:
    return _none([str(one) for one in rewritten()], "changed, a new version is needed")


@promise(17, "every owner is told of what is to change")
def told() -> Outcome:
    newest = User.objects.filter(joined_at__lt=clock.now() - HOURS_LATE).order_by("-pk").first()
    behind = Publication.objects.filter(
        Q(told_up_to__lt=newest.pk if newest else 0),
        is_announced=True,
        effective__gt=clock.now().date(),
        published_at__lt=clock.now() - HOURS_LATE,
    )
    return _none([str(one) for one in behind], "not told everybody")


def _rows(statement: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def _none(offenders: list[str], what: str) -> Outcome:
    return Outcome(
        not offenders,
        f"{len(offenders)} {what}" + f": {', '.join(offenders[:5])}" * bool(offenders),
    )
