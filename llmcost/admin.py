"""The support admin: every page of it runs as a database role that cannot see an event."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from llmcost.errors import NotFound, answer
from llmcost.tenancy.context import support_staff


class StaffSite(admin.AdminSite):
    """The admin for support staff. Sign-in is the product's own, so that its limits hold here."""

    site_header = site_title = "LLM Cost Tracker support"
    index_title = "Support"
    site_url = "/app/"
    enable_nav_sidebar = False
    index_template = "admin/support_index.html"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take our own read-only pages; what third-party apps offer is not for support."""
        if admin_class is not None and issubclass(admin_class, ReadOnlyAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Let active staff in; being a superuser is no way in and gives nothing more."""
        return bool(request.user.is_active and request.user.is_staff)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to the product's sign-in page; a signed-in customer finds nothing here."""
        if request.user.is_authenticated:
            return answer(request, NotFound())
        return redirect(f"{reverse('account_login')}?next={reverse('admin:index')}")

    def admin_view(
        self, view: Callable[..., HttpResponse], cacheable: bool = False
    ) -> Callable[..., HttpResponse]:
        """Wrap each page, rendering included, into a transaction of the staff role."""

        @wraps(view)
        def as_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            # Session and user are read as the application; the staff role cannot.
            if not self.has_permission(request):
                return view(request, *args, **kwargs)
            with support_staff():
                response = view(request, *args, **kwargs)
                if isinstance(response, TemplateResponse):
                    response.render()
                return response

        return super().admin_view(as_staff, cacheable)


class ReadOnlyAdmin(admin.ModelAdmin):
    """What support may look at: listed fields only, nothing to add, change or delete."""

    actions = None
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        """Show every listed field as text."""
        return self.fields or ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """All staff may look."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """All staff may look."""
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is made here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nothing is changed here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Deletion is a request with a receipt, not a button."""
        return False
