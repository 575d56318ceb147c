"""The notice of a change that is announced and not yet in force, for every signed-in page."""

from typing import Any

from django import template

from privacy.policy.publication import upcoming

register = template.Library()


@register.inclusion_tag("privacy/_upcoming.html")
def upcoming_changes() -> dict[str, Any]:
    """Say what changes and from when; nothing when nothing is announced."""
    return {"notices": upcoming()}
