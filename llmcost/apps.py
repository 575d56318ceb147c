from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate


class LlmcostConfig(AppConfig):
    """The platform under the product: tenancy, background work, errors, logs."""

    default = True
    name = "llmcost"

    def ready(self) -> None:
        """Bind `shared_task` to our Celery app, and grant tables to roles after each migration."""
        from llmcost import celery  # noqa: F401, PLC0415 - the import binds the app
        from llmcost.tenancy import grants  # noqa: PLC0415 - needs the app registry

        post_migrate.connect(grants.apply, dispatch_uid="llmcost.grants")


class AdminConfig(admin_apps.AdminConfig):
    """Django's admin with our site: every page of it runs as the support-staff role."""

    default = False
    default_site = "llmcost.admin.StaffSite"
