from django.contrib import admin

from accounts.models import Account
from llmcost.admin import ReadOnlyAdmin


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """Support finds an account by its company's name."""

    list_display = ["id", "name", "created_at"]
    list_display_links = ["id", "name"]
    search_fields = ["name"]
    ordering = ["-id"]
    fields = ["id", "name", "created_at"]
