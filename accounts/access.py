"""The one way to a signed-in page: who asks, for which account, with which right."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import (
    raise_if_reauthentication_required,
)
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from accounts.errors import AccountReadOnly, MissingRight
from accounts.models import Account, Membership
from accounts.rights import Right, may
from llmcost.errors import NotFound
from llmcost.tenancy.context import signed_in, tenant

View = Callable[..., HttpResponse]

# In the session: in which of their accounts somebody works now.
CURRENT_ACCOUNT = "account_id"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def member_page(
    right: Right, *, fresh: bool = False, while_read_only: bool = False
) -> Callable[[View], View]:
    """Run a view inside its user's account, with `request.account` and `request.membership` set.

    `right` is what the member needs. `fresh` asks for the password (or a second factor) again if
    that was not just done. `while_read_only` lets the view change something although the account
    is closed or suspended. Signed-out visitors are led to the sign-in page. Raises NotFound for a
    user without account, MissingRight, AccountReadOnly.
    """

    def decorate(view: View) -> View:
        @login_required
        @wraps(view)
        def inside(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            membership = membership_of(request)
            with tenant(membership.account_id):
                request.membership = membership
                request.account = Account.objects.get(pk=membership.account_id)
                if not may(membership.role, right):
                    raise MissingRight(membership.get_role_display(), right)
                changes = request.method not in SAFE_METHODS
                if changes and request.account.is_read_only and not while_read_only:
                    raise AccountReadOnly(closed=request.account.closed_at is not None)
                if fresh:
                    raise_if_reauthentication_required(request, app="account")
                return view(request, *args, **kwargs)

        return inside

    return decorate


def membership_of(request: HttpRequest) -> Membership:
    """Return the membership with which the signed-in user works now: the one that was chosen in
    this session, else the oldest. Raises NotFound if there is none.
    """
    with signed_in(request.user.pk):
        own = list(Membership.objects.filter(user_id=request.user.pk).order_by("pk"))
    if not own:
        raise NotFound("You do not belong to an account yet. Ask your team for an invitation.")
    chosen = request.session.get(CURRENT_ACCOUNT)
    return next((one for one in own if one.account_id == chosen), own[0])
