from typing import Any

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    """Projects and their keys."""

    name = "projects"

    def ready(self) -> None:
        """Give a new account its first project."""
        from accounts.services import account_opened  # noqa: PLC0415 - needs the app registry

        account_opened.connect(_open_first_project, dispatch_uid="projects.first")


def _open_first_project(account: Any, **_signal: Any) -> None:
    from projects import services  # noqa: PLC0415 - needs the app registry

    services.open_project(account, name=services.FIRST_PROJECT)
