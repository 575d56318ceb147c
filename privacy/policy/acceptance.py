"""Which version of the privacy policy and of the terms somebody accepted, and when."""

from typing import Any

from django.conf import settings

from accounts.models import User
from llmcost import clock
from privacy.policy.publication import current


def record_acceptance(*, user: User, **_signal: Any) -> None:
    """Write down what the person who opens an account has accepted on the sign-up form.

    Where a company runs this for itself, there is no such form, and nothing of ours to accept.
    """
    if settings.SELF_HOSTED:
        return
    user.accepted_policy_version = current("privacy").version
    user.accepted_terms_version = current("terms").version
    user.accepted_policy_at = clock.now()
    user.save(
        update_fields=["accepted_policy_version", "accepted_terms_version", "accepted_policy_at"]
    )
