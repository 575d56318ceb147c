"""Which version of the privacy policy and of the terms somebody accepted, and when."""

from typing import Any

from django.conf import settings

from accounts.models import Account, User
from llmcost import clock
from privacy.policy.publication import current


def record_acceptance(*, user: User, account: Account | None = None, **_signal: Any) -> None:
    """Write down what somebody has accepted on the form by which they came in.

    Accounts are also opened on the command line, without a form: where a company runs this for
    itself, and for somebody who has accepted before (`import_account`).
    """
    if account is not None and (settings.SELF_HOSTED or user.accepted_policy_at is not None):
        return
    user.accepted_policy_version = current("privacy").version
    user.accepted_terms_version = current("terms").version
    user.accepted_policy_at = clock.now()
    user.save(
        update_fields=["accepted_policy_version", "accepted_terms_version", "accepted_policy_at"]
    )
