"""`{% csrf_token %}` with one field more: in which account the page was opened.

Every form has the token already, so this is the place where none can be forgotten; settings.py
lists this module among the built-in tags. `accounts.access` refuses a form of another account.
"""

from django import template
from django.template.base import Parser, Token
from django.template.context import Context
from django.template.defaulttags import CsrfTokenNode
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.access import OPENED_IN_FIELD

register = template.Library()


class MarkedToken(CsrfTokenNode):
    """Django's token, and the account if the page is one of an account."""

    def render(self, context: Context) -> SafeString:
        """Write both fields."""
        token = super().render(context)
        account = getattr(context.get("request"), "account", None)
        if not token or account is None:
            return token
        return format_html(
            '{}<input type="hidden" name="{}" value="{}">',
            token,
            OPENED_IN_FIELD,
            account.public_id,
        )


@register.tag("csrf_token")
def csrf_token(_parser: Parser, _token: Token) -> MarkedToken:
    """Put both fields into a form."""
    return MarkedToken()
