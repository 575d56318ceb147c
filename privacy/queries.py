"""What pages about privacy show: reads only."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet, Sum

from accounts.models import Account, Membership, Role, User
from events.reports import run
from events.reports.query import UsageQuery
from llmcost import clock
from llmcost.tenancy.context import signed_in, tenant
from privacy.models import DataRequest, Erasure, Export, Referral, UseCount, VisitorCount
from projects.models import Project


@dataclass(frozen=True, slots=True)
class Held:
    """What an account holds with us, in numbers."""

    events: int
    since: datetime
    projects: int
    members: int


def what_is_held(account_id: int) -> Held:
    """Count what is held for an account, inside its context; exact, from the sums."""
    account = Account.objects.get(pk=account_id)
    own = list(Project.objects.filter(account_id=account_id))
    return Held(
        events=sum(_events_of(project) for project in own),
        since=account.created_at,
        projects=len(own),
        members=Membership.objects.filter(account_id=account_id).count(),
    )


def _events_of(project: Project) -> int:
    query = UsageQuery(
        account_id=project.account_id,
        project_id=project.pk,
        timezone=ZoneInfo("UTC"),
        start=datetime(2015, 1, 1, tzinfo=UTC),
        end=clock.now() + timedelta(days=2),  # a caller's clock may be a day ahead
    )
    return sum(row.calls for row in run.usage(query))


def accounts_of(user: User) -> list[tuple[Account, bool]]:
    """Return the accounts that a person belongs to, and whether each is theirs."""
    with signed_in(user.pk):
        roles = dict(
            Membership.objects.filter(user_id=user.pk)
            .order_by("pk")
            .values_list("account_id", "role")
        )
    found = []
    for number, role in roles.items():
        with tenant(number):
            found.append((Account.objects.get(pk=number), role == Role.OWNER))
    return found


def own_requests(user: User) -> QuerySet[DataRequest]:
    """Return a person's own requests, the newest first."""
    return DataRequest.objects.filter(user=user).select_related("thread").order_by("-pk")


def own_exports(account_id: int, user: User) -> QuerySet[Export]:
    """Return the exports that a member asked for, the newest first."""
    return Export.objects.filter(account_id=account_id, requested_by=user.pk).order_by("-pk")


def erasures_of(account_id: int) -> QuerySet[Erasure]:
    """Return the deletions that were asked for in an account, the newest first."""
    return Erasure.objects.filter(account_id=account_id).order_by("-pk")


def referrals_of(account_id: int) -> QuerySet[Referral]:
    """Return the requests of its end users that we passed on to an account, the newest first."""
    return Referral.objects.filter(account_id=account_id).order_by("-pk")


@dataclass(frozen=True, slots=True)
class Use:
    """What was viewed and used on the last days."""

    days: int
    names: list[dict[str, object]]
    visitors: list[VisitorCount]


def use_of_days(days: int) -> Use:
    """Count views and uses by route, the most frequent first, and the visitors of each day."""
    since = clock.now().date() - timedelta(days=days)
    names = (
        UseCount.objects.filter(day__gt=since)
        .values("kind", "name")
        .annotate(total=Sum("times"))
        .order_by("-total", "name")
    )
    visitors = VisitorCount.objects.filter(day__gt=since).order_by("-day")
    return Use(days, list(names), list(visitors))
