"""Pages of a team: who belongs to the account, who is invited, and the way in."""

from http import HTTPStatus
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.signup import complete_signup
from allauth.account.models import EmailAddress
from allauth.account.views import SignupView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import (
    enter,
    home_of,
    limit_forms,
    member_page,
    memberships_of,
    person_page,
)
from accounts.errors import ForAnotherAddress
from accounts.models import Account, Invitation, Membership, Role
from accounts.rights import RIGHTS, Right, may
from accounts.sign_in.forms import InvitedSignUpForm
from accounts.sign_in.views import RefusedForm
from accounts.team.conditions import member_limit
from accounts.team.forms import GIVEN_ROLES, InvitationForm, OwnerForm, RoleForm
from accounts.team.invitations import (
    Offer,
    accept_invitation,
    invite,
    offer,
    resend_invitation,
    withdraw_invitation,
)
from accounts.team.members import change_role, leave, member_of, remove_member, transfer_ownership
from llmcost import clock
from llmcost.errors import AppError, NotFound
from llmcost.tenancy.context import tenant


# --- The team --------------------------------------------------------------------------------
@require_safe
@member_page(Right.READ_TEAM)
def members(request: HttpRequest) -> HttpResponse:
    """GET /account/team/"""
    return _team(request, InvitationForm())


@require_POST
@member_page(Right.MANAGE_TEAM)
def invitations(request: HttpRequest) -> HttpResponse:
    """POST /account/team/invitations/"""
    limit_forms(request)
    form = InvitationForm(request.POST)
    if form.is_valid():
        asked = form.cleaned_data
        try:
            invite(
                request.account.pk, email=asked["email"], role=Role(asked["role"]), by=request.user
            )
        except AppError as error:
            form.add_error("email", error.message)
        else:
            messages.success(request, f"An invitation is on its way to {asked['email']}.")
            return redirect("accounts:team")
    return _team(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@require_POST
@member_page(Right.MANAGE_TEAM)
def resending(request: HttpRequest, invitation: int) -> HttpResponse:
    """POST /account/team/invitations/<id>/resending/"""
    limit_forms(request)
    sent = resend_invitation(request.account.pk, invitation, by=request.user)
    messages.success(request, f"A new link is on its way to {sent.email}; the old one has ended.")
    return redirect("accounts:team")


@require_POST
@member_page(Right.MANAGE_TEAM)
def withdrawal(request: HttpRequest, invitation: int) -> HttpResponse:
    """POST /account/team/invitations/<id>/withdrawal/"""
    ended = withdraw_invitation(request.account.pk, invitation, by=request.user)
    messages.success(request, f"The invitation to {ended.email} is withdrawn.")
    return redirect("accounts:team")


@require_POST
@member_page(Right.MANAGE_TEAM)
def role(request: HttpRequest, member: int) -> HttpResponse:
    """POST /account/team/members/<id>/role/"""
    member_of(request.account.pk, member)  # whoever is not there is not there in any role
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the roles; the owner's is given by a transfer.")
        return _team(request, InvitationForm(), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    given = Role(form.cleaned_data["role"])
    changed = change_role(request.account.pk, member, role=given, by=request.user)
    if changed.user_id == request.user.pk:
        request.session.cycle_key()
    messages.success(request, f"{changed.user.name} is now: {changed.get_role_display()}.")
    return redirect("accounts:team")


@require_POST
@member_page(Right.MANAGE_TEAM)
def removal(request: HttpRequest, member: int) -> HttpResponse:
    """POST /account/team/members/<id>/removal/"""
    removed = remove_member(request.account.pk, member, by=request.user)
    messages.success(request, f"{removed.user.name} does not belong to the account any more.")
    return redirect("accounts:team")


@require_POST
@member_page(Right.READ_TEAM, while_read_only=True)
def leaving(request: HttpRequest) -> HttpResponse:
    """POST /account/team/leaving/"""
    leave(request.account.pk, user=request.user)
    request.session.cycle_key()
    messages.success(request, f"You have left {request.account.name}.")
    return redirect("accounts:profile")


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(Right.OWN_ACCOUNT, fresh=True)
def ownership(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/team/ownership/: asks who it is again, because it cannot be undone."""
    form = OwnerForm(request.POST or None, account=request.account)
    if request.method == "POST" and form.is_valid():
        new = transfer_ownership(
            request.account.pk, form.cleaned_data["member"].pk, by=request.user
        )
        request.session.cycle_key()
        messages.success(request, f"{new.user.name} owns the account now; you are an admin of it.")
        return redirect("accounts:team")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    page = {"section": "Team", "form": form}
    return render(request, "accounts/ownership.html", page, status=status)


def _team(request: HttpRequest, form: InvitationForm, *, status: int = 200) -> HttpResponse:
    account_id = request.account.pk
    own = Membership.objects.filter(account_id=account_id).select_related("user")
    asked = Invitation.objects.open().filter(account_id=account_id).select_related("invited_by")
    now = clock.now()
    page = {
        "section": "Team",
        # The owner first, then as the roles stand in the code, then by time.
        "members": sorted(own.order_by("pk"), key=lambda one: list(Role).index(Role(one.role))),
        "invitations": [(one, one.has_expired(now)) for one in asked.order_by("-pk")],
        "limit": member_limit(account_id),
        "form": form,
        "given_roles": GIVEN_ROLES,
        "roles": list(Role),
        "rights": [(right, [(may(one, right), one) for one in Role]) for right in RIGHTS],
    }
    return render(request, "accounts/team.html", page, status=status)


# --- One person, several accounts ------------------------------------------------------------
@require_POST
@person_page()
def switch(request: HttpRequest) -> HttpResponse:
    """POST /account/switch/: work in another of one's own accounts from now on."""
    for membership in memberships_of(request):
        with tenant(membership.account_id):
            account = Account.objects.get(pk=membership.account_id)
        if str(account.public_id) == request.POST.get("account"):
            enter(request, account.pk)
            return redirect(home_of(membership.role))
    raise NotFound("You do not belong to this account, or not any more.")


# --- The way in ------------------------------------------------------------------------------
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """GET, POST /invitation/<token>/: what is offered; POST accepts it."""
    if request.method == "POST":
        return _accept(request, token)
    offered = offer(token)
    page: dict[str, Any] = {"offer": offered, "token": token}
    if not request.user.is_authenticated:
        page["is_known"] = EmailAddress.objects.filter(email=offered.email).exists()
        return render(request, "accounts/invitation.html", page)
    own = EmailAddress.objects.filter(user=request.user, verified=True, email=offered.email)
    if not own.exists():
        page["refused"] = ForAnotherAddress(invited=offered.email, own=request.user.email)
        return render(request, "accounts/invitation.html", page, status=page["refused"].status)
    return render(request, "accounts/invitation.html", page)


@login_required
def _accept(request: HttpRequest, token: str) -> HttpResponse:
    membership = accept_invitation(token, user=request.user)
    enter(request, membership.account_id)
    return redirect(home_of(membership.role))


class InvitedSignUpView(RefusedForm, SignupView):
    """GET, POST /invitation/<token>/signup/: the user and the membership, all or nothing."""

    template_name = "accounts/invited_signup.html"
    offer: Offer

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Look at the invitation before anything is asked. Raises NotFound, InvitationOver."""
        self.offer = offer(kwargs["token"])
        return super().dispatch(request, *args, **kwargs)

    def is_open(self) -> bool:
        """An invitation is a way in also where nobody else can sign up."""
        return True

    def get_form_class(self) -> type[Form]:
        """Ask for what the invitation does not know."""
        return InvitedSignUpForm

    def get_initial(self) -> dict[str, Any]:
        """Fill in the address, which the form does not let change."""
        return {"email": self.offer.email}

    def get_success_url(self) -> str:
        """Begin where the role begins."""
        return home_of(self.membership.role)

    def form_valid(self, form: Form) -> HttpResponse:
        # By opening the link they have proved that the address is theirs.
        get_adapter().stash_verified_email(self.request, self.offer.email)
        with transaction.atomic():
            user, elsewhere = form.try_save(self.request)
            if user is None:
                return elsewhere
            self.membership = accept_invitation(self.kwargs["token"], user=user)
        return complete_signup(self.request, user=user, redirect_url=self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what is offered."""
        return super().get_context_data(**kwargs) | {
            "offer": self.offer,
            "token": self.kwargs["token"],
        }
