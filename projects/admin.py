from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from llmcost.admin import ReadOnlyAdmin
from projects.models import ApiKey, Project


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    """Support sees that a project exists, never what it spent or whose calls it holds."""

    list_display = ["id", "account_id", "name", "timezone", "created_at"]
    list_display_links = ["id", "name"]
    search_fields = ["name", "account__name"]
    ordering = ["-id"]
    fields = ["id", "account_id", "slug", "name", "timezone", "created_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Support finds a key by its hint and sees whether it lives; its hash cannot be read."""

    list_display = ["hint", "account_id", "project_id", "last_used_at", "expires_at", "revoked_at"]
    search_fields = ["hint", "project__name", "account__name"]
    ordering = ["-id"]
    fields = [
        *("id", "account_id", "project_id", "name", "hint", "scopes", "created_at"),
        *("last_used_at", "rotated_at", "expires_at", "revoked_at"),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Read only the columns that the staff role may."""
        return super().get_queryset(request).defer("digest", "note", "created_by")
