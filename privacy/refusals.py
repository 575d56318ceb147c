"""Whose later calls are refused: erased end users, held as keyed hashes."""

from collections.abc import Callable

from accounts.models import Account
from llmcost.tenancy.context import tenant
from privacy import receipts
from privacy.models import RefusedUser


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
