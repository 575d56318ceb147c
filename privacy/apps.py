from collections.abc import Callable
from typing import Any

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """The privacy policy and what keeps it."""

    name = "privacy"

    def ready(self) -> None:
        """Follow an account: what was accepted when it is opened, its purge when it is closed."""
        from allauth.account.signals import user_signed_up  # noqa: PLC0415 - likewise

        from accounts.services import (  # noqa: PLC0415 - needs the app registry
            account_closed,
            account_opened,
            account_reopened,
        )
        from events.ingest import erased_users  # noqa: PLC0415 - likewise
        from llmcost.web.health import add_check, add_report, add_warning  # noqa: PLC0415 - likewise
        from privacy import consent, report  # noqa: PLC0415 - likewise
        from privacy.policy.acceptance import record_acceptance  # noqa: PLC0415 - likewise
        from privacy.signals import erasing  # noqa: PLC0415 - likewise

        account_opened.connect(record_acceptance, dispatch_uid="privacy.acceptance")
        # Who signs up by an invitation ticks the same box and opens no account.
        user_signed_up.connect(record_acceptance, dispatch_uid="privacy.acceptance.signed_up")
        account_closed.connect(_plan_purge, dispatch_uid="privacy.purge")
        account_reopened.connect(_cancel_purge, dispatch_uid="privacy.purge.cancelled")
        erasing.connect(_shred_exports, dispatch_uid="privacy.exports")
        erased_users.ask(_refused_in)
        add_check("erasures", _erasures)
        add_report("privacy", report.states)
        add_warning("clock", _clock)
        consent.refuse_if_missing()


def _plan_purge(account: Any, user: Any, **_signal: Any) -> None:
    from privacy import receipts  # noqa: PLC0415 - needs the app registry
    from privacy.purge import plan_purge  # noqa: PLC0415 - likewise

    # Nobody of the account closes it when a child of under 16 was reported: our staff does.
    plan_purge(account, verified_by=receipts.BY_SIGN_IN if user else receipts.BY_STAFF)


def _cancel_purge(account: Any, **_signal: Any) -> None:
    from privacy.purge import cancel_purge  # noqa: PLC0415 - needs the app registry

    cancel_purge(account)


def _shred_exports(account_id: int, **_signal: Any) -> None:
    from privacy.exports.services import shred_all  # noqa: PLC0415 - needs the app registry

    shred_all(account_id)


def _refused_in(account_id: int, project_id: int) -> Callable[[str], bool] | None:
    from privacy.refusals import refused_in  # noqa: PLC0415 - needs the app registry

    return refused_in(account_id, project_id)


def _erasures() -> str:
    """Say whether this database has forgotten all that was erased, or was restored since."""
    from privacy.tombstones import is_behind  # noqa: PLC0415 - needs the app registry

    return "restored: run manage.py after_restore" if is_behind() else "ok"


def _clock() -> str:
    """Say whether deletions wait because the time cannot be believed."""
    from privacy.watched_clock import warning  # noqa: PLC0415 - needs the app registry

    return warning()
