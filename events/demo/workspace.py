"""The demo workspace: an account like any other, with a name that says what it is."""

from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.dispatch import Signal

from accounts.models import Account, Membership, User
from accounts.services import open_account
from llmcost import clock
from llmcost.tenancy.context import signed_in, tenant
from projects.models import ApiKey, ApiKeyQuerySet, Project, Scope
from projects.services import issue_key

EMAIL, PASSWORD = "demo@example.com", "demo-workspace"
COMPANY = "Demo workspace"
SLUG = "demo"
NAME = "demo (Azure trace; models, users, prices assigned)"
# Who asks for a key in every script never meets the bound of a project.
MOST_OF_A_NAME = 20
PRINTED_KEY, SEED_KEY, TRAFFIC_KEY = "Demo key", "Demo seed", "Demo traffic"


class NotHere(Exception):
    """There must be no demo workspace here; the text says why."""


# Sent inside the workspace's context whenever it was made or found: later apps give it what it
# needs to be tried.
demo_opened = Signal()


@dataclass(frozen=True, slots=True)
class Demo:
    """The workspace: whose it is and which project holds the calls."""

    account_id: int
    project: Project
    user: User


def open_demo(*, force: bool = False) -> Demo:
    """Return the demo workspace; make it if it is missing. Raises NotHere.

    Its password is known to everybody, so only somebody's own machine gets one unasked.
    """
    if not settings.LOCAL_MODE and not force:
        raise NotHere(
            "The demo workspace has a public password, so a server with a PUBLIC_URL gets one "
            "only with --force."
        )
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(email=EMAIL, defaults={"name": "Demo"})
        # Whoever comes at the same time waits here until the first has made everything.
        User.objects.select_for_update().get(pk=user.pk)
        if is_new:
            user.set_password(PASSWORD)
            user.save(update_fields=["password"])
            EmailAddress.objects.create(user=user, email=EMAIL, verified=True, primary=True)
            _open_workspace(user)
        demo = _demo_of(user)
        with tenant(demo.account_id):
            demo_opened.send(Demo, account_id=demo.account_id)
        return demo


def _open_workspace(user: User) -> None:
    account = open_account(user=user, company=COMPANY)
    with tenant(account.pk):
        Project.objects.filter(account_id=account.pk).update(slug=SLUG, name=NAME, timezone="UTC")


def _demo_of(user: User) -> Demo:
    with signed_in(user.pk):
        memberships = list(Membership.objects.filter(user_id=user.pk).order_by("pk"))
    for membership in memberships:
        account_id = membership.account_id
        with tenant(account_id):
            project = Project.objects.filter(account_id=account_id, slug=SLUG).first()
            if project and Account.objects.filter(pk=account_id, name=COMPANY).exists():
                return Demo(account_id, project, user)
    raise NotHere(f"{EMAIL} signs in here without a demo workspace; remove that user first.")


def issue_demo_key(demo: Demo, *, name: str, scopes: list[Scope]) -> str:
    """Make a test key and return its text; the oldest of that name make room for it."""
    with tenant(demo.account_id):
        newest = _keys(demo, name).filter(revoked_at=None).order_by("-pk")[:MOST_OF_A_NAME]
        _keys(demo, name).exclude(pk__in=list(newest.values_list("pk", flat=True))).filter(
            revoked_at=None
        ).update(revoked_at=clock.now())
        _, text = issue_key(demo.project, name=name, scopes=scopes, by=demo.user, kind="test")
    return text


def issue_traffic_key(demo: Demo) -> str:
    """Make the trickle's key in place of the one that its last start has left behind."""
    with tenant(demo.account_id):
        _keys(demo, TRAFFIC_KEY).delete()
        return issue_demo_key(demo, name=TRAFFIC_KEY, scopes=[Scope.INGEST])


# Seeding leaves its key as its mark: while one is open, seeding has begun and not ended; once all
# are revoked it is done for good, also when calls of it have been erased since.


def seeding_done_at(demo: Demo) -> datetime | None:
    """Return when seeding was finished, None if it was not."""
    with tenant(demo.account_id):
        keys = list(_keys(demo, SEED_KEY).order_by("revoked_at"))
    if not keys or any(key.revoked_at is None for key in keys):
        return None
    return keys[-1].revoked_at


def begin_seeding(demo: Demo) -> tuple[str, datetime]:
    """Return a key to seed with, and the moment at which the demo's 30 days end.

    It is the moment of the first try, so that a second one sends the same events again.
    """
    with tenant(demo.account_id):
        text = issue_demo_key(demo, name=SEED_KEY, scopes=[Scope.INGEST])
        return text, _keys(demo, SEED_KEY).earliest("created_at").created_at


def end_seeding(demo: Demo) -> None:
    """Close the keys of all tries."""
    with tenant(demo.account_id):
        _keys(demo, SEED_KEY).filter(revoked_at=None).update(revoked_at=clock.now())


def _keys(demo: Demo, name: str) -> ApiKeyQuerySet:
    return ApiKey.objects.filter(account_id=demo.account_id, project=demo.project, name=name)
