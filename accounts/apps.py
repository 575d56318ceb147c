from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and companies."""

    name = "accounts"

    def ready(self) -> None:
        """Connect what follows a sign-in to allauth's signals."""
        from accounts.sign_in import receivers  # noqa: F401, PLC0415 - needs the app registry
