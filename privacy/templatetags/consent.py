"""What a public page shows of analytics that set cookies: nothing where none is configured."""

from django import template
from django.conf import settings
from django.http import HttpRequest

from privacy.consent import Analytics

register = template.Library()


@register.simple_tag
def analytics_provider() -> str:
    """Return the name of the provider that is configured, else ''."""
    return settings.ANALYTICS_NAME if settings.ANALYTICS_SCRIPT else ""


@register.simple_tag
def analytics_script() -> str:
    """Return the address of the provider's script."""
    return settings.ANALYTICS_SCRIPT


@register.simple_tag(takes_context=True)
def analytics_of(context: template.Context) -> Analytics | None:
    """Return whether this page asks and loads; None where it does neither for anybody."""
    request: HttpRequest | None = context.get("request")
    return getattr(request, "analytics", None)
