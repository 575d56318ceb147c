from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Plans and payment."""

    name = "billing"
