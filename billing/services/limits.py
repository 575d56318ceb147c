"""What happens when the included events are used up: the customer's choice."""

from accounts import audit
from accounts.models import Account, User
from billing.models import BillingAccount
from billing.services.metering import set_limit
from billing.standing import row_of, standing_of
from llmcost import clock
from llmcost.tenancy.context import tenant


def choose_at_limit(account: Account, choice: str, *, by: User) -> None:
    """Stop at the limit, or go on and pay; only a plan that was bought can go on."""
    with tenant(account.pk):
        row_of(account.pk)
        changed = (
            BillingAccount.objects.filter(account_id=account.pk)
            .exclude(at_limit=choice)
            .update(at_limit=choice)
        )
        if changed:
            set_limit(standing_of(account.pk), clock.now())
            audit.record(account.pk, "billing.limit_changed", by=by, choice=choice)
