"""Template tags and filters of the design system.

`{% load ui %}` gives the tags icon, brand, sign_up_is_open, sells_plans, nav_item, crumbs, amount,
change, field, check, form_errors and local_mail_hint, and the filters money, money_exact, short
and count.
"""

from typing import Any

from django import template
from django.conf import settings
from django.forms import BaseForm, BoundField
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from llmcost.web import numbers

register = template.Library()

register.filter("money", numbers.money)
register.filter("short", numbers.short)


@register.filter
def money_exact(value: numbers.Number) -> str:
    """Write dollars with all the places that are kept."""
    return numbers.money(value, exact=True)


@register.filter
def count(value: numbers.Number) -> str:
    """Write a count in full: 1,415,204."""
    return f"{value:,.0f}"


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw a symbol of `static/icons.svg`; it is decoration, so a word must stand beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name
    )


@register.simple_tag
def sign_up_is_open() -> bool:
    """Say whether anybody may open an account here."""
    return not settings.SELF_HOSTED


@register.simple_tag
def sells_plans() -> bool:
    """Say whether there is anything to buy here."""
    return not settings.SELF_HOSTED


@register.inclusion_tag("_brand.html")
def brand(href: str) -> dict[str, Any]:
    """Show the mark and the name as a link."""
    return {"href": href}


@register.simple_tag(takes_context=True)
def nav_item(context: template.Context, label: str, symbol: str, href: str) -> SafeString:
    """One entry of the side bar; it is the current one when `section` is its label."""
    current = ' aria-current="page"' if context.get("section") == label else ""
    return format_html(
        '<li><a href="{}"{}>{}{}</a></li>', href, SafeString(current), icon(symbol), label
    )


@register.inclusion_tag("_crumbs.html")
def crumbs(label: str, address: str, here: str) -> dict[str, str]:
    """Show where a page stands: below the page called `label`; `address` is its URL's name."""
    return {"label": label, "href": reverse(address), "here": here}


@register.simple_tag
def amount(value: numbers.Number, text: str = "") -> SafeString:
    """Show dollars with the exact value for machines and as a tooltip.

    `text` takes the place of the usual writing, for a value out of `numbers.column()`.
    """
    exact = numbers.money(value, exact=True)
    return format_html(
        '<data value="{}" title="{}">{}</data>', value, exact, text or numbers.money(value)
    )


@register.simple_tag
def change(now: numbers.Number, before: numbers.Number, kind: str = "") -> SafeString:
    """Show a change: an arrow, a percentage, and colour only for costs."""
    shown = numbers.change(now, before, kind)
    return format_html(
        '<span class="change{}">{}{}{}</span>',
        f" change--{shown.tone}" if shown.tone else "",
        icon(shown.word) if shown.word else "",
        format_html('<span class="hidden-visually">{} </span>', shown.word) if shown.word else "",
        shown.text,
    )


@register.inclusion_tag("_field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """Show a form field: label above, help below, the error in the help's place."""
    note_id = f"{bound.id_for_label}-note"
    attributes = {"class": "input"}
    if bound.errors or bound.help_text:
        attributes["aria-describedby"] = note_id
    if bound.errors:
        attributes["aria-invalid"] = "true"
    return {"field": bound, "widget": bound.as_widget(attrs=attributes), "note_id": note_id}


@register.inclusion_tag("_check.html")
def check(bound: BoundField) -> dict[str, Any]:
    """Show a box to tick, with its label beside it and its error below."""
    note_id = f"{bound.id_for_label}-note"
    wrong = {"aria-invalid": "true", "aria-describedby": note_id} if bound.errors else {}
    return {"field": bound, "widget": bound.as_widget(attrs=wrong), "note_id": note_id}


@register.inclusion_tag("_form_errors.html")
def form_errors(form: BaseForm) -> dict[str, Any]:
    """Show what is wrong with a form as a whole; the fields show their own errors."""
    return {"errors": form.non_field_errors()}


@register.inclusion_tag("_local_mail_hint.html")
def local_mail_hint() -> dict[str, Any]:
    """Say where mails are when this installation keeps them as files."""
    return {"is_local": settings.LOCAL_MODE and bool(settings.MAIL_DIR)}
