"""`{% load rights %}`: whether the member who looks may do a thing, so that pages offer no more."""

from django import template

from accounts.models import Membership
from accounts.rights import Right
from accounts.rights import may as role_may

register = template.Library()


@register.filter
def may(membership: Membership | None, right: str) -> bool:
    """Say whether a member has the right of that name: `request.membership|may:"MANAGE_KEYS"`.

    Somebody without an account (support staff, on their own pages) has none.
    """
    return bool(membership) and role_may(membership.role, Right[right])
