"""Pages of signing up and signing in: allauth's, which answer a refused form with 422 or 429."""

import json
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from allauth.account import views as allauth
from allauth.account.adapter import get_adapter
from allauth.decorators import rate_limit
from allauth.mfa.base import views as mfa
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount import views as social
from allauth.socialaccount.adapter import get_adapter as get_social_adapter
from allauth.socialaccount.models import SocialApp
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from requests import RequestException

from accounts.errors import TooManyAttempts
from llmcost.errors import NotFound, page_answer

PROVIDER_AWAY = "The provider does not answer. Try again later, or use another way."
LIMITS = {"too_many_login_attempts", "rate_limited"}


class RefusedForm:
    """Gives a refused form its status, so that scripts and proxies can tell it from success."""

    def form_invalid(self, form: Form) -> HttpResponse:
        response = super().form_invalid(form)
        codes = {error.code for errors in form.errors.as_data().values() for error in errors}
        response.status_code = (
            HTTPStatus.TOO_MANY_REQUESTS if codes & LIMITS else HTTPStatus.UNPROCESSABLE_ENTITY
        )
        return response


class SignUpView(RefusedForm, allauth.SignupView):
    """GET, POST /signup/"""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the providers that this installation has registered with."""
        return super().get_context_data(**kwargs) | {"providers": providers(self.request)}


class SignInView(RefusedForm, allauth.LoginView):
    """GET, POST /login/"""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the providers that this installation has registered with."""
        return super().get_context_data(**kwargs) | {"providers": providers(self.request)}


def providers(request: HttpRequest) -> list[dict[str, str]]:
    """Return name and address of each provider that this installation has registered with."""
    found = get_social_adapter().list_providers(request)
    return [{"name": one.name, "url": one.get_login_url(request)} for one in found]


class ResetView(RefusedForm, allauth.PasswordResetView):
    """GET, POST /password/reset/"""


class NewPasswordView(RefusedForm, allauth.PasswordResetFromKeyView):
    """GET, POST /password/reset/key/<key>/"""


class SecondFactorView(RefusedForm, mfa.AuthenticateView):
    """GET, POST /login/second-factor/"""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what the passkey's script needs, if there is a passkey."""
        page = super().get_context_data(**kwargs)
        return page | {"passkey_options": passkey_options(page)}


class PasskeySignInView(webauthn.LoginWebAuthnView):
    """GET (options, as JSON), POST /login/passkey/"""


class PasswordAgainView(RefusedForm, allauth.ReauthenticateView):
    """GET, POST /reauthenticate/"""

    def _check_reauthentication_method_available(self, request: HttpRequest) -> HttpResponse | None:
        # Somebody who signs in through a provider, without password and second factor, has no way
        # but signing in again, which this page tells; allauth would answer 403.
        ways = get_adapter().get_reauthentication_methods(request.user)
        return super()._check_reauthentication_method_available(request) if ways else None


class CodeAgainView(RefusedForm, mfa.ReauthenticateView):
    """GET, POST /reauthenticate/code/"""


class PasskeyAgainView(webauthn.ReauthenticateWebAuthnView):
    """GET, POST /reauthenticate/passkey/"""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what the passkey's script needs."""
        page = super().get_context_data(**kwargs)
        return page | {"passkey_options": passkey_options(page)}

    def form_invalid(self, form: Form) -> HttpResponse:
        """Say that it did not match, on this page; allauth would lead to the sign-in page."""
        page = self.get_context_data(form=form)
        response = self.render_to_response(page | {"form": form})
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return response


class ProviderSignUpView(RefusedForm, social.SignupView):
    """GET, POST /signup/finish/: what the provider did not tell."""


def start_provider(start: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Wrap allauth's start of a sign-in through a provider: a form's POST ends on a page of ours
    that leads on, because the Content-Security-Policy lets no form go elsewhere.
    """

    @require_POST
    @rate_limit(action="login")
    @wraps(start)
    def view(request: HttpRequest, **names: str) -> HttpResponse:
        try:
            return leave(request, start(request, **names))
        except SocialApp.DoesNotExist:
            raise NotFound from None
        except RequestException:
            messages.error(request, PROVIDER_AWAY)
            return redirect("account_login")

    return view


def end_provider(end: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Wrap allauth's way back from a provider; from one that is not set up nobody comes back."""

    @require_safe
    @rate_limit(action="login")
    @wraps(end)
    def view(request: HttpRequest, **names: str) -> HttpResponse:
        try:
            return end(request, **names)
        except SocialApp.DoesNotExist:
            raise NotFound from None

    return view


def leave(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Turn a redirect to a provider into a page that goes there by itself."""
    target = response.get("Location", "")
    if not target.startswith(("https://", "http://")):
        return response
    page = {"target": target, "host": urlsplit(target).hostname}
    return render(request, "socialaccount/leaving.html", page)


def passkey_options(page: dict[str, Any]) -> str:
    """Write the options of a WebAuthn ceremony for static/js/passkeys.js; empty without a key."""
    options = page.get("js_data", {})
    asked = options.get("creation_options") or options.get("request_options") or {}
    wanted = "creation_options" in options or asked.get("publicKey", {}).get("allowCredentials")
    return json.dumps(asked, default=dict) if wanted else ""


def too_many_attempts(request: HttpRequest) -> HttpResponse:
    """Answer a form that was sent too often; allauth finds it as `handler429` of the URLconf."""
    return page_answer(request, TooManyAttempts())
