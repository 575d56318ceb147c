"""The pages about a person: profile, e-mail address, password, second factors, sessions."""

from http import HTTPStatus
from typing import Any

from allauth.account import views as allauth
from allauth.account.models import EmailAddress
from allauth.core.ratelimit import consume
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.mfa.webauthn.internal.auth import begin_registration
from allauth.socialaccount import views as social
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import sso
from accounts.access import member_page, person_page
from accounts.errors import TooManyAttempts
from accounts.factors import qr_code
from accounts.forms import NameForm, SsoForm
from accounts.models import SsoConnection
from accounts.rights import Right
from accounts.sessions import end_session, end_sessions, own_sessions
from accounts.sign_in import provider_label
from accounts.views import RefusedForm, passkey_options, providers
from llmcost.errors import NotFound


@person_page()
def profile(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/: the name, and the ways to address and password."""
    form = NameForm(request.POST or None, instance=request.user)
    if request.method == "POST":
        _limit(request)
        if form.is_valid():
            form.save()
            messages.success(request, "Your name is saved.")
            return redirect("accounts:profile")
        request.user.refresh_from_db()  # the side bar shows what is, not what was refused
    page = {
        "section": "Your profile",
        "form": form,
        "new_address": EmailAddress.objects.get_new(request.user),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "accounts/profile.html", page, status=status)


@person_page()
@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """GET /account/security/: second factors and passkeys, and where one is signed in."""
    factors = Authenticator.objects.filter(user=request.user).order_by("pk")
    by_type = {factor.type: factor for factor in factors}
    connected = SocialAccount.objects.filter(user=request.user).order_by("pk")
    codes = by_type.get(Authenticator.Type.RECOVERY_CODES)
    page = {
        "section": "Security",
        "app": by_type.get(Authenticator.Type.TOTP),
        "codes": codes,
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
        "passkeys": [f.wrap() for f in factors if f.type == Authenticator.Type.WEBAUTHN],
        "provider_names": [provider_label(one.provider) for one in connected],
        "providers": providers(request),
        "sessions": own_sessions(request.user, request.session.session_key),
    }
    return render(request, "accounts/security.html", page)


@person_page()
@require_POST
def end(request: HttpRequest, handle: str) -> HttpResponse:
    """POST /account/security/sessions/<handle>/end/"""
    _limit(request)
    if not end_session(request.user, handle):
        raise NotFound("This session has ended already.")
    messages.success(request, "Signed out there.")
    return redirect("mfa_index")


@person_page()
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """POST /account/security/sessions/end/: everywhere but here."""
    _limit(request)
    end_sessions(request.user, but=request.session.session_key)
    messages.success(request, "Signed out everywhere else.")
    return redirect("mfa_index")


class EmailView(RefusedForm, allauth.EmailView):
    """GET, POST /account/email/"""

    extra_context = {"section": "Your profile"}


class PasswordChangeView(RefusedForm, allauth.PasswordChangeView):
    """GET, POST /account/password/"""

    extra_context = {"section": "Your profile"}


class PasswordSetView(RefusedForm, allauth.PasswordSetView):
    """GET, POST /account/password/set/"""

    extra_context = {"section": "Your profile"}


class ChangesFactors(RefusedForm):
    """Gives the session a new key when the form has changed what protects the person."""

    extra_context = {"section": "Security"}

    def form_valid(self, form: Form) -> HttpResponse:
        response = super().form_valid(form)
        self.request.session.cycle_key()
        return response


class AuthenticatorView(ChangesFactors, totp.ActivateTOTPView):
    """GET, POST /account/security/app/"""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the secret as a picture and as text."""
        page = super().get_context_data(**kwargs)
        return page | {"qr_code": qr_code(page["totp_url"]), "secret": page["form"].secret}


class NoAuthenticatorView(ChangesFactors, totp.DeactivateTOTPView):
    """GET, POST /account/security/app/remove/"""


class RecoveryCodesView(recovery.ViewRecoveryCodesView):
    """GET /account/security/recovery-codes/: once, right after they were made."""

    extra_context = {"section": "Security"}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Show the codes the first time; later there is only the page that makes new ones."""
        page = super().get_context_data(**kwargs)
        if not page["can_view_codes"]:
            raise NotFound("Recovery codes are shown once. You can make new ones.")
        return page


class NewRecoveryCodesView(ChangesFactors, recovery.GenerateRecoveryCodesView):
    """GET, POST /account/security/recovery-codes/new/"""


class NewPasskeyView(ChangesFactors, webauthn.AddWebAuthnView):
    """GET, POST /account/security/passkeys/add/"""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Ask for a passkey that can sign in by itself and proves who holds it."""
        page = super().get_context_data(**kwargs) | kwargs
        page["js_data"] = {"creation_options": begin_registration(self.request.user, True)}
        return page | {"passkey_options": passkey_options(page)}


class RemovePasskeyView(ChangesFactors, webauthn.RemoveWebAuthnView):
    """GET, POST /account/security/passkeys/<pk>/remove/"""


class RenamePasskeyView(ChangesFactors, webauthn.EditWebAuthnView):
    """GET, POST /account/security/passkeys/<pk>/"""


class ProvidersView(ChangesFactors, social.ConnectionsView):
    """GET, POST /account/security/providers/: which others sign the person in."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what is connected, and what could be."""
        page = super().get_context_data(**kwargs)
        connected = SocialAccount.objects.filter(user=self.request.user).order_by("pk")
        return page | {
            "connected": [
                {"pk": one.pk, "name": provider_label(one.provider), "since": one.date_joined}
                for one in connected
            ],
            "providers": providers(self.request),
        }


@member_page(Right.MANAGE_SECURITY, fresh=True)
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/security/sso/: the account's own provider."""
    connection = SsoConnection.objects.filter(account_id=request.account.pk).first()
    initial = {"default_role": "", "required": request.account.sso_required}
    if connection:
        initial |= {
            "issuer": connection.issuer,
            "client_id": connection.client_id,
            "domains": " ".join(sso.domains_of(request.account.pk)),
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
        _limit(request)
        if form.is_valid() and _saved(request, form):
            messages.success(request, "Single sign-on is saved. Try it in another browser.")
            return redirect("accounts:sso")
    callback = reverse("openid_connect_callback", args=[sso.provider_name(request.account)])
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
            sso.save(request.account, sso.SsoSettings(**form.cleaned_data), by=request.user)
    except IntegrityError:
        form.add_error("domains", "Another account has set up single sign-on for such a domain.")
        return False
    return True


@member_page(Right.MANAGE_SECURITY, fresh=True)
@require_POST
def remove_single_sign_on(request: HttpRequest) -> HttpResponse:
    """POST /account/security/sso/remove/"""
    sso.remove(request.account, by=request.user)
    messages.success(request, "Single sign-on is removed. Members use their other ways.")
    return redirect("accounts:sso")


def _limit(request: HttpRequest) -> None:
    """Refuse a person who sends forms faster than anybody types. Raises TooManyAttempts."""
    if not consume(request, action="manage_email", user=request.user):
        raise TooManyAttempts
