"""What our staff sees of projects and keys on the page of an account, and does with a key."""

from collections.abc import Iterable
from typing import Any

from accounts.models import Account, User
from accounts.support.desk import FINDERS, MOST_FOUND, Act, CannotAct, Choices, Done, Panel, offer
from accounts.support.duties import Power
from llmcost import clock
from projects.keys.format import hint
from projects.models import ApiKey, Project

PREFIXES = ("llmc_live_", "llmc_test_")
TOLD_CHARACTERS = 4  # of a key's end


def by_key_hint(text: str) -> Iterable[int]:
    """Find the accounts of keys by the hint, a key's last four characters, or the key itself."""
    if text.startswith(PREFIXES):
        hints = [hint(text)]
    elif len(text) == TOLD_CHARACTERS:
        hints = [hint(prefix + text) for prefix in PREFIXES]
    else:
        return []
    return ApiKey.objects.filter(hint__in=hints).values_list("account_id", flat=True)[:MOST_FOUND]


FINDERS.append(by_key_hint)


def _projects(account_id: int) -> dict[str, Any]:
    projects = Project.objects.filter(account_id=account_id).order_by("pk")
    # Named one by one: the hash of a key is closed to staff by the database.
    keys = ApiKey.objects.filter(account_id=account_id).only(
        "project_id", "name", "hint", "scopes", "last_used_at", "expires_at", "revoked_at"
    )
    now = clock.now()
    by_project: dict[int, list[tuple[ApiKey, bool]]] = {}
    for key in keys.order_by("-pk"):
        by_project.setdefault(key.project_id, []).append((key, key.is_live(now)))
    return {
        "projects": [
            (project.slug, project.name, project.timezone, by_project.get(project.pk, []))
            for project in projects.only("slug", "name", "timezone")
        ]
    }


def _live_keys(account_id: int) -> Choices:
    keys = ApiKey.objects.live(clock.now()).filter(account_id=account_id).order_by("-pk")
    return [
        (str(pk), f"{name} {told}") for pk, name, told in keys.values_list("pk", "name", "hint")
    ]


def _revoke(account: Account, target: str, _by: User) -> Done:
    key = ApiKey.objects.filter(account_id=account.pk, pk=int(target)).first()
    if key is None or not key.close(clock.now()):
        raise CannotAct("This key is closed already.")
    return Done(subject=key.hint)


offer(
    Panel(
        title="Projects and keys",
        template="admin/panels/projects.html",
        power=Power.FIND_ACCOUNTS,
        context=_projects,
    ),
    Act(
        name="key-revocation",
        label="Revoke a key",
        explains="Programs that use it are refused within 5 seconds, for good.",
        action="support.key_revoked",
        power=Power.REVOKE_KEYS,
        choices=_live_keys,
        choice_label="Which key",
        run=_revoke,
    ),
)
