"""Pages of the admin: lists and single rows that may be looked at, in the house's own templates.

Django's change list counts the table on each visit and its pages bring styles and scripts of
their own; of the admin we keep the registry and the addresses.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_field, label_for_field, lookup_field
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from llmcost.errors import NotFound

PAGE_SIZE = 50
LARGEST_ID = 2**63 - 1


class ReadOnlyAdmin(admin.ModelAdmin):
    """What staff may look at: listed fields only, nothing to add, change or delete.

    `needs` is the power that it takes (see accounts.support.duties). A list goes from the newest
    row to older ones by key, fifty at a time, and never counts.
    """

    needs: StrEnum
    list_template = "admin/list.html"
    row_template = "admin/row.html"
    icon = "table"
    empty = "Nothing here yet."
    search_label = ""

    def get_urls(self) -> list[URLPattern]:
        """Two addresses: the list, and one row."""
        options, wrap = self.opts, self.admin_site.admin_view
        name = f"{options.app_label}_{options.model_name}"
        return [
            path("", wrap(self.list_page), name=f"{name}_changelist"),
            path("<int:pk>/", wrap(self.row_page), name=f"{name}_change"),
        ]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Say whether the side bar leads here."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Say whether this member of staff has the power that the page needs."""
        return self.needs in request.powers

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is made here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nothing is changed here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Deletion is a request with a receipt, not a button."""
        return False

    def search(self, rows: models.QuerySet[Any], text: str) -> models.QuerySet[Any]:
        """Return the rows that `text` finds, by an index; only where `search_label` is set."""
        raise NotImplementedError

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show the newest rows, or those before `?before=<id>`, or those that `?q=` finds."""
        self._permit(request)
        rows = self.get_queryset(request).order_by("-pk")
        text = request.GET.get("q", "").strip()[:200] if self.search_label else ""
        if text:
            rows = self.search(rows, text)
        before = request.GET.get("before", "")
        if before.isascii() and before.isdecimal():
            rows = rows.filter(pk__lt=min(int(before), LARGEST_ID))
        found = list(rows[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        page = {
            "admin": self,
            "section": self.title,
            "text": text,
            "labels": [self._label(name) for name in self.list_display],
            "rows": [(row, list(self._cells(row, self.list_display))) for row in shown],
            "older": shown[-1].pk if len(found) > PAGE_SIZE else None,
        }
        return TemplateResponse(request, self.list_template, page)

    def row_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show one row. Raises NotFound."""
        return self.show_row(request, self.row(request, pk))

    def show_row(self, request: HttpRequest, row: models.Model, **more: Any) -> HttpResponse:
        """Show a row that was found, with what a page of its own adds."""
        page = {
            "admin": self,
            "section": self.title,
            "row": row,
            "facts": list(self._cells(row, self.fields or self.list_display)),
            **more,
        }
        return TemplateResponse(request, self.row_template, page)

    def row(self, request: HttpRequest, pk: int) -> models.Model:
        """Return one row. Raises NotFound for one that is not there or not for this person."""
        self._permit(request)
        if pk > LARGEST_ID or (row := self.get_queryset(request).filter(pk=pk).first()) is None:
            raise NotFound
        return row

    @property
    def address(self) -> str:
        """The name of the list's address."""
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"

    @property
    def row_address(self) -> str:
        """The name of a row's address."""
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_change"

    @property
    def title(self) -> str:
        """What the side bar and the list's head call these rows."""
        name = str(self.opts.verbose_name_plural)
        return name[:1].upper() + name[1:]

    def _permit(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise NotFound

    def _label(self, name: Any) -> str:
        label = str(label_for_field(name, self.model, self))
        return label[:1].upper() + label[1:]

    def _cells(self, row: models.Model, names: Any) -> Iterator[tuple[str, Any]]:
        for name in names:
            field, _, value = lookup_field(name, row, self)
            if isinstance(value, datetime):
                value = f"{value:%-d %b %Y, %H:%M} UTC"
            elif field is not None and getattr(field, "choices", None):
                value = display_for_field(value, field, "")
            yield self._label(name), value
