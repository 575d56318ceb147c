"""The one way to a signed-in page: who asks, for which account, and nothing of any other."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from accounts.models import Account, Membership
from llmcost.errors import NotFound
from llmcost.tenancy.context import signed_in, tenant

View = Callable[..., HttpResponse]


def member_page(view: View) -> View:
    """Run a view inside its user's account, with `request.account` and `request.membership` set.

    Signed-out visitors are led to the sign-in page. Raises NotFound for a user without account.
    """

    @login_required
    @wraps(view)
    def inside(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        membership = membership_of(request)
        with tenant(membership.account_id):
            request.membership = membership
            request.account = Account.objects.get(pk=membership.account_id)
            return view(request, *args, **kwargs)

    return inside


def membership_of(request: HttpRequest) -> Membership:
    """Return the signed-in user's membership. Raises NotFound if there is none."""
    with signed_in(request.user.pk):
        membership = Membership.objects.filter(user_id=request.user.pk).order_by("pk").first()
    if membership is None:
        raise NotFound("You do not belong to an account yet. Ask your team for an invitation.")
    return membership
