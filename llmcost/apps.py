from importlib import import_module
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.admin import apps as admin_apps
from django.core.mail.utils import DNS_NAME
from django.db.models.signals import post_migrate
from django.utils.module_loading import module_has_submodule


class LlmcostConfig(AppConfig):
    """The platform under the product: tenancy, background work, errors, logs."""

    default = True
    name = "llmcost"

    def ready(self) -> None:
        """Bind `shared_task` to our Celery app, and grant tables to roles after each migration."""
        from llmcost import celery  # noqa: F401, PLC0415 - the import binds the app
        from llmcost.tenancy import grants  # noqa: PLC0415 - needs the app registry

        # Once a run: by the first signal all migrations of all apps have run.
        post_migrate.connect(grants.apply, sender=self, dispatch_uid="llmcost.grants")
        # Django would ask the name service for this machine's name, and write it into each mail.
        DNS_NAME._fqdn = urlsplit(settings.PUBLIC_URL).hostname  # noqa: SLF001 - no public way


# dj-stripe's pages would show staff what they have no right to see, and forms that warn.
WITHOUT_PAGES = {"djstripe"}


class AdminConfig(admin_apps.SimpleAdminConfig):
    """Django's admin with our site: every page of it runs as the support-staff role."""

    default = False
    default_site = "accounts.support.site.StaffSite"

    def ready(self) -> None:
        """Find the apps' pages."""
        super().ready()
        for app in apps.get_app_configs():
            if app.name not in WITHOUT_PAGES and module_has_submodule(app.module, "admin"):
                import_module(f"{app.name}.admin")
