from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and companies."""

    name = "accounts"

    def ready(self) -> None:
        """Connect what follows a sign-in to allauth's signals."""
        from accounts import sign_in  # noqa: F401, PLC0415 - its models are loaded only now
