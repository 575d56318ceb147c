from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """The privacy policy and what keeps it."""

    name = "privacy"

    def ready(self) -> None:
        """Record what a person accepts when they open an account."""
        from allauth.account.signals import user_signed_up  # noqa: PLC0415 - likewise

        from accounts.services import account_opened  # noqa: PLC0415 - needs the app registry
        from llmcost.web.health import add_check  # noqa: PLC0415 - likewise
        from privacy.policy.acceptance import record_acceptance  # noqa: PLC0415 - likewise

        account_opened.connect(record_acceptance, dispatch_uid="privacy.acceptance")
        # Who signs up by an invitation ticks the same box and opens no account.
        user_signed_up.connect(record_acceptance, dispatch_uid="privacy.acceptance.signed_up")
        add_check("erasures", _erasures)


def _erasures() -> str:
    """Say whether this database has forgotten all that was erased, or was restored since."""
    from privacy.tombstones import is_behind  # noqa: PLC0415 - needs the app registry

    return "restored: run manage.py after_restore" if is_behind() else "ok"
