from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and companies."""

    name = "accounts"
