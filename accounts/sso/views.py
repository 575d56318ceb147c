"""The pages of single sign-on: the way in, and how an account sets up its own."""

from http import HTTPStatus

from allauth.account.utils import get_next_redirect_url
from allauth.decorators import rate_limit
from allauth.mfa.adapter import get_adapter
from allauth.socialaccount.adapter import get_adapter as get_social_adapter
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from requests import RequestException

from accounts.access import limit_forms, member_page, person_page
from accounts.models import SsoConnection
from accounts.rights import Right
from accounts.sign_in.views import PROVIDER_AWAY, leave
from accounts.sso import connections
from accounts.sso.forms import SsoEmailForm, SsoForm


# --- The way in ------------------------------------------------------------------------------
@rate_limit(action="login")
def start(request: HttpRequest) -> HttpResponse:
    """GET, POST /login/sso/: by the address to the provider of its company."""
    form = SsoEmailForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        connection = connections.connection_for(form.cleaned_data["email"])
        if connection is None:
            form.add_error("email", "No single sign-on is set up for addresses of this company.")
        else:
            try:
                return leave(request, _to_provider(request, connection.provider))
            except RequestException:
                form.add_error(None, PROVIDER_AWAY)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "socialaccount/sso_start.html", {"form": form}, status=status)


@person_page()
def needed(request: HttpRequest) -> HttpResponse:
    """GET, POST /login/sso/needed/: this account wants its own single sign-on."""
    if request.account is None or not request.account.sso_required:
        return redirect("/app/")
    if request.method == "POST":
        try:
            return leave(request, _to_provider(request, connections.provider_name(request.account)))
        except RequestException:
            messages.error(request, PROVIDER_AWAY)
    return render(request, "socialaccount/sso_needed.html")


def _to_provider(request: HttpRequest, provider: str) -> HttpResponse:
    connected = get_social_adapter().get_provider(request, provider=provider)
    next_url = get_next_redirect_url(request)
    response: HttpResponse = connected.redirect(request, AuthProcess.LOGIN, next_url=next_url)
    return response


# --- The account's own provider --------------------------------------------------------------
@member_page(Right.MANAGE_SECURITY, fresh=True)
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/security/sso/: the account's own provider."""
    connection = SsoConnection.objects.filter(account_id=request.account.pk).first()
    initial = {"default_role": "", "required": request.account.sso_required}
    if connection:
        initial |= {
            "issuer": connection.issuer,
            "client_id": connection.client_id,
            "domains": " ".join(connections.domains_of(request.account.pk)),
            "default_role": connection.default_role,
        }
    form = SsoForm(
        request.POST or None,
        initial=initial,
        account=request.account,
        has_secret=connection is not None,
        has_factor=get_adapter().is_mfa_enabled(request.user),
    )
    if request.method == "POST":
        limit_forms(request)
        if form.is_valid() and _saved(request, form):
            messages.success(request, "Single sign-on is saved. Try it in another browser.")
            return redirect("accounts:sso")
    callback = reverse("openid_connect_callback", args=[connections.provider_name(request.account)])
    page = {
        "section": "Security",
        "form": form,
        "connection": connection,
        "callback": f"{settings.PUBLIC_URL}{callback}",
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "accounts/sso.html", page, status=status)


def _saved(request: HttpRequest, form: SsoForm) -> bool:
    try:
        with transaction.atomic():
            connections.save(
                request.account, connections.SsoSettings(**form.cleaned_data), by=request.user
            )
    except IntegrityError:
        form.add_error("domains", "Another account has set up single sign-on for such a domain.")
        return False
    return True


@member_page(Right.MANAGE_SECURITY, fresh=True)
@require_POST
def remove_single_sign_on(request: HttpRequest) -> HttpResponse:
    """POST /account/security/sso/remove/"""
    connections.remove(request.account, by=request.user)
    messages.success(request, "Single sign-on is removed. Members use their other ways.")
    return redirect("accounts:sso")
