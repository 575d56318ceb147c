from typing import Any

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """The calls: ingest, prices, rollups, reports."""

    name = "events"

    def ready(self) -> None:
        """Let a new account be folded from its first event on."""
        from accounts.services import account_opened  # noqa: PLC0415 - needs the app registry

        account_opened.connect(_look_after, dispatch_uid="events.fold")


def _look_after(account: Any, **_signal: Any) -> None:
    from events.ingest.store import FOLD  # noqa: PLC0415 - needs the app registry
    from llmcost import clock  # noqa: PLC0415
    from llmcost.tenancy import due  # noqa: PLC0415

    due.schedule(FOLD, account.pk, clock.now())
