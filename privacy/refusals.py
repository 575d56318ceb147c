"""Whose later calls are refused: erased end users, held as keyed hashes."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Count

from accounts import audit
from accounts.models import Account, User
from llmcost.errors import NotFound
from llmcost.tenancy.context import tenant
from privacy import receipts
from privacy.models import Erasure, RefusedUser
from projects.models import Project


class NotRefused(NotFound):
    message = "Calls of this user id are not refused."


def refused_in(account_id: int, project_id: int) -> Callable[[str], bool] | None:
    """Return what tells refused user ids of a project; None where there are none."""
    with tenant(account_id):
        found = RefusedUser.objects.filter(account_id=account_id, project_id=project_id)
        refs = frozenset(found.values_list("user_ref", flat=True))
        if not refs:
            return None
        public_id = Account.objects.get(pk=account_id).public_id

    def is_refused(user_id: str) -> bool:
        return receipts.reference("user", public_id, project_id, user_id) in refs

    return is_refused


def refused_since(project: Project, user_ref: str) -> datetime | None:
    """Say since when calls of an end user are refused; None if they are not."""
    found = RefusedUser.objects.filter(
        account_id=project.account_id, project_id=project.pk, user_ref=user_ref
    )
    return found.values_list("since", flat=True).first()


def numbers(account_id: int) -> dict[int, int]:
    """Return how many user ids are refused, by project."""
    found = RefusedUser.objects.filter(account_id=account_id).values("project_id")
    return dict(found.annotate(number=Count("pk")).values_list("project_id", "number"))


@transaction.atomic
def readmit(project: Project, user_ref: str, *, by: User) -> None:
    """Take later calls of an end user again; inside the account's context. Raises NotRefused.

    A deletion that is still under way does not refuse them anew.
    """
    which = {"account_id": project.account_id, "project_id": project.pk, "user_ref": user_ref}
    Erasure.objects.open().filter(**which).update(refuse_later=False)
    gone, _ = RefusedUser.objects.filter(**which).delete()
    if not gone:
        raise NotRefused
    audit.record(
        project.account_id, "data.user_readmitted", by=by, subject=user_ref, project=project.slug
    )
