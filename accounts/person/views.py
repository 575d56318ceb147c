"""The pages about a person: profile, e-mail address, password, second factors, sessions."""

from http import HTTPStatus
from typing import Any

from allauth.account import views as allauth
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.mfa.webauthn.internal.auth import begin_registration
from allauth.socialaccount import views as social
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.access import limit_forms, person_page
from accounts.person.forms import NameForm
from accounts.sign_in.factors import qr_code
from accounts.sign_in.receivers import provider_label
from accounts.sign_in.sessions import end_session, end_sessions, own_sessions
from accounts.sign_in.views import RefusedForm, passkey_options, providers
from llmcost.errors import NotFound


@person_page()
def profile(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/: the name, and the ways to address and password."""
    form = NameForm(request.POST or None, instance=request.user)
    if request.method == "POST":
        limit_forms(request)
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
    limit_forms(request)
    if not end_session(request.user, handle):
        raise NotFound("This session has ended already.")
    messages.success(request, "Signed out there.")
    return redirect("mfa_index")


@person_page()
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """POST /account/security/sessions/end/: everywhere but here."""
    limit_forms(request)
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
