from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """The privacy policy and what keeps it."""

    name = "privacy"

    def ready(self) -> None:
        """Record what a person accepts when they open an account."""
        from accounts.services import account_opened  # noqa: PLC0415 - needs the app registry
        from privacy.policy.acceptance import record_acceptance  # noqa: PLC0415 - likewise

        account_opened.connect(record_acceptance, dispatch_uid="privacy.acceptance")
