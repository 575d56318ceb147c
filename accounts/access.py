"""The one way to a signed-in page: who asks, for which account, with which right."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.ratelimit import consume
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import is_valid_path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from accounts.errors import (
    AccountReadOnly,
    MissingRight,
    OtherAccount,
    SupportMayOnlyLook,
    TooManyAttempts,
)
from accounts.models import Account, Membership, Role
from accounts.rights import Right, may
from accounts.support import grants
from llmcost import clock
from llmcost.errors import NotFound
from llmcost.tenancy.context import signed_in, support_staff, tenant

View = Callable[..., HttpResponse]

# In the session: in which of their accounts somebody works now.
CURRENT_ACCOUNT = "account_id"
# How every form and every request of htmx says in which account its page was opened: the field
# stands beside Django's token (`accounts.templatetags.marked_forms`), the header in app.html.
OPENED_IN_FIELD, OPENED_IN_HEADER = "opened_in", "X-Opened-In"
BILLING_PAGE = "/account/billing/"
# In the session: whose single sign-on it came through. It opens that account and no other, because
# whoever runs an account's provider can sign in as any of its members.
SSO_ACCOUNT = "sso_account_id"
# How the name of an account's provider begins.
SSO = "sso-"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def member_page(
    right: Right,
    *,
    fresh: bool = False,
    while_read_only: bool = False,
    own_transactions: bool = False,
    lead_home: bool = False,
) -> Callable[[View], View]:
    """Run a view inside its user's account, with `request.account` and `request.membership` set.

    `right` is what the member needs. `fresh` asks for the password (or a second factor) again if
    that was not just done. `while_read_only` lets the view change something although the account
    is closed or suspended. `own_transactions` ends the transaction before the view begins, for one
    that waits for somebody else's server. `lead_home` sends a member without the right to the page
    with which their role begins. Staff whom the customer lets look see the pages of READ_USAGE, and
    every look is recorded. Signed-out visitors are led to the sign-in page. Raises NotFound for a
    user without account, MissingRight, AccountReadOnly, OtherAccount.

    The view carries its `right`, so that a test can try every page as every role.
    """

    def decorate(view: View) -> View:
        @login_required
        @wraps(view)
        def inside(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if (customers := grants.looked_at(request)) is not None:
                return _shown_to_support(view, right, customers, request, *args, **kwargs)
            request.membership = membership_of(request)
            membership = request.membership
            with tenant(membership.account_id):
                request.account = Account.objects.get(pk=membership.account_id)
                _require_same_account(request)
                require_sso(request)
                if not may(membership.role, right):
                    if lead_home:
                        return redirect(home_of(membership.role))
                    raise MissingRight(membership.get_role_display(), right)
                changes = request.method not in SAFE_METHODS
                if changes and request.account.is_read_only and not while_read_only:
                    raise AccountReadOnly(closed=request.account.closed_at is not None)
                if fresh:
                    require_fresh(request)
                if not own_transactions:
                    return view(request, *args, **kwargs)
            return view(request, *args, **kwargs)

        inside.right, inside.leads_home = right, lead_home
        return inside

    return decorate


def person_page(*, fresh: bool = False) -> Callable[[View], View]:
    """Run a view that is about the signed-in person, whatever account they are in or not in.

    `request.account` and `request.membership` are set for the side bar, None without an account.
    The view carries `right` as that of member_page does: None, because everybody has it.
    """

    def decorate(view: View) -> View:
        @login_required
        @wraps(view)
        def inside(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            request.membership = _current_membership(request)
            request.account = None
            if request.membership is not None:
                with tenant(request.membership.account_id):
                    request.account = Account.objects.get(pk=request.membership.account_id)
            if fresh:
                require_fresh(request, person=True)
            return view(request, *args, **kwargs)

        inside.right = None
        return require_http_methods(["GET", "HEAD", "POST"])(inside)

    return decorate


def _shown_to_support(
    view: View, right: Right, account_id: int, request: HttpRequest, *args: Any, **kwargs: Any
) -> HttpResponse:
    """Run a view for a member of our staff who looks at a customer's pages under a grant.

    As the database role of staff, to which row security shows the calls of this one account and
    only while the grant is in force; whatever this code forgets, that holds. Raises
    SupportMayOnlyLook for everything but reading usage.
    """
    if right is not Right.READ_USAGE or request.method not in SAFE_METHODS:
        raise SupportMayOnlyLook
    grant = grants.record_look(account_id, request.path, by=request.user)
    if grant is None:
        grants.end_look(request)
        messages.warning(request, "The customer's grant has ended: you see their pages no more.")
        return redirect("admin:accounts_account_change", account_id)
    with support_staff(), tenant(account_id):
        request.membership = grants.as_reader(account_id, request.user)
        request.account = Account.objects.get(pk=account_id)
        request.support_grant = grant
        return view(request, *args, **kwargs)


def membership_of(request: HttpRequest) -> Membership:
    """Return the membership with which the signed-in user works now: the one that was chosen in
    this session, else the oldest. Raises NotFound if there is none.
    """
    membership = _current_membership(request)
    if membership is None:
        raise NotFound("You do not belong to an account yet. Ask your team for an invitation.")
    return membership


def memberships_of(request: HttpRequest) -> list[Membership]:
    """Return every place of the signed-in user, the oldest first; asked once a request.

    In a session that came through a company's single sign-on that is their place there alone.
    """
    if not hasattr(request, "memberships"):
        with signed_in(request.user.pk):
            own = Membership.objects.filter(user_id=request.user.pk).order_by("pk")
            if SSO_ACCOUNT in request.session:
                own = own.filter(account_id=request.session[SSO_ACCOUNT])
            request.memberships = list(own)
    return request.memberships


def _current_membership(request: HttpRequest) -> Membership | None:
    own = memberships_of(request)
    chosen = request.session.get(CURRENT_ACCOUNT)
    return next((one for one in own if one.account_id == chosen), own[0] if own else None)


def enter(request: HttpRequest, account_id: int) -> None:
    """Work in this account from now on, in a session with a new key."""
    request.session[CURRENT_ACCOUNT] = account_id
    request.session.cycle_key()


def home_of(role: str) -> str:
    """Return the page with which a member of this role begins."""
    if may(role, Right.READ_USAGE):
        return settings.LOGIN_REDIRECT_URL
    return BILLING_PAGE if is_valid_path(BILLING_PAGE) else reverse("accounts:team")


def limit_forms(request: HttpRequest) -> None:
    """Refuse a person who sends forms faster than anybody types. Raises TooManyAttempts."""
    if not consume(request, action="manage_email", user=request.user):
        raise TooManyAttempts


def _require_same_account(request: HttpRequest) -> None:
    """Refuse what a page of another account sends: its tab was open when the user switched.

    Only a person of several accounts can be mistaken, so only they must say it. Raises
    OtherAccount.
    """
    opened_in = request.headers.get(OPENED_IN_HEADER) or request.POST.get(OPENED_IN_FIELD)
    if opened_in is None and (request.method in SAFE_METHODS or len(memberships_of(request)) == 1):
        return
    if opened_in != str(request.account.public_id):
        raise OtherAccount


def require_sso(request: HttpRequest) -> None:
    """Lead to the account's single sign-on if it demands that and the session did not come so.

    The owner gets in by a second factor or passkey too: a provider that fails, or is set up
    wrongly, must not lock a company out.
    """
    if not request.account.sso_required or request.session.get(SSO_ACCOUNT) == request.account.pk:
        return
    steps = get_authentication_records(request, request.user)
    if request.membership.role == Role.OWNER and any(step["method"] == "mfa" for step in steps):
        return
    raise ImmediateHttpResponse(redirect("sso_needed"))


# --- Is it still them? -----------------------------------------------------------------------
def is_fresh(request: HttpRequest, *, person: bool = False) -> bool:
    """Say whether the person has signed in, or proved again who they are, a short while ago.

    For changes to the person themselves (`person`) an account's single sign-on is no proof.
    """
    steps = get_authentication_records(request, request.user)
    if person:
        steps = [step for step in steps if not str(step.get("provider", "")).startswith(SSO)]
    age = clock.now().timestamp() - steps[-1]["at"] if steps else None
    return age is not None and age < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def require_fresh(request: HttpRequest, *, person: bool = False) -> None:
    """Lead to /reauthenticate/ and back, unless the person was there a short while ago.

    What a form has sent is not kept meanwhile (it may hold a secret, and allauth would keep the
    caller's address and browser with it): the way back leads to the form.
    """
    if is_fresh(request, person=person):
        return
    back = request.get_full_path() if request.method in SAFE_METHODS else _form_page(request)
    raise ImmediateHttpResponse(redirect_to_login(back, reverse("account_reauthenticate")))


def _form_page(request: HttpRequest) -> str:
    """Return the page from which a form was sent, as far as the browser tells and it is ours."""
    sent_from = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(sent_from, allowed_hosts={request.get_host()}):
        return reverse("accounts:profile")
    page = urlsplit(sent_from)
    return f"{page.path}?{page.query}" if page.query else page.path
