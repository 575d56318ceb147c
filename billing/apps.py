from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class BillingConfig(AppConfig):
    """Plans and payment."""

    name = "billing"

    def ready(self) -> None:
        """Follow what payments do; where dj-stripe is loaded, hold it to what may be kept."""
        from billing.queries import stripe_events_given_up  # noqa: PLC0415 - needs the registry
        from llmcost.web import health  # noqa: PLC0415

        health.add_warning("stripe_events", stripe_events_given_up)
        self._follow()
        if not apps.is_installed("djstripe"):
            return
        from billing.stripe import backstop, mirror  # noqa: PLC0415 - need the app registry

        mirror.arm()
        post_migrate.connect(backstop.install, sender=self, dispatch_uid="billing.backstop")

    def _follow(self) -> None:
        from accounts.services import (  # noqa: PLC0415 - need the app registry
            account_closed,
            account_opened,
        )
        from accounts.team.conditions import ask_for_member_limit  # noqa: PLC0415
        from billing.services import following  # noqa: PLC0415
        from billing.standing import members_of_plan  # noqa: PLC0415
        from billing.stripe.record import standing_changed  # noqa: PLC0415
        from events.demo.workspace import demo_opened  # noqa: PLC0415

        ask_for_member_limit(members_of_plan)
        standing_changed.connect(following.follow_standing, dispatch_uid="billing.standing")
        account_opened.connect(following.follow_opening, dispatch_uid="billing.opening")
        account_closed.connect(following.follow_closing, dispatch_uid="billing.closing")
        demo_opened.connect(following.follow_demo, dispatch_uid="billing.demo")
