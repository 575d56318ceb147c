"""`{% load rights %}`: what the member who looks may do, and between which accounts they switch."""

from django import template

from accounts.models import Account, Membership
from accounts.rights import Right
from accounts.rights import may as role_may
from llmcost.tenancy.context import tenant

register = template.Library()


@register.filter
def may(membership: Membership | None, right: str) -> bool:
    """Say whether a member has the right of that name: `request.membership|may:"MANAGE_KEYS"`.

    Somebody without an account (support staff, on their own pages) has none.
    """
    return bool(membership) and role_may(membership.role, Right[right])


@register.simple_tag(takes_context=True)
def own_accounts(context: template.Context) -> list[Account]:
    """Return the accounts of whoever looks, by name: each is seen in its own context only."""
    accounts = []
    for membership in context["request"].memberships:
        with tenant(membership.account_id):
            accounts.append(Account.objects.get(pk=membership.account_id))
    return sorted(accounts, key=lambda one: (one.name.casefold(), one.pk))
