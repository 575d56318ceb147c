from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class BillingConfig(AppConfig):
    """Plans and payment."""

    name = "billing"

    def ready(self) -> None:
        """Where dj-stripe is loaded, hold it to what may be kept."""
        from billing.queries import stripe_events_given_up  # noqa: PLC0415 - needs the registry
        from llmcost.web import health  # noqa: PLC0415

        health.add_warning("stripe_events", stripe_events_given_up)
        if not apps.is_installed("djstripe"):
            return
        from billing.stripe import backstop, mirror  # noqa: PLC0415 - need the app registry

        mirror.arm()
        post_migrate.connect(backstop.install, sender=self, dispatch_uid="billing.backstop")
