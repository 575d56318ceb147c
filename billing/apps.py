from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class BillingConfig(AppConfig):
    """Plans and payment."""

    name = "billing"

    def ready(self) -> None:
        """Where dj-stripe is loaded, hold it to what may be kept."""
        if not apps.is_installed("djstripe"):
            return
        from billing.stripe import backstop, mirror  # noqa: PLC0415 - need the app registry

        mirror.arm()
        post_migrate.connect(backstop.install, sender=self, dispatch_uid="billing.backstop")
