"""Pages of signing up and signing in: allauth's, which answer a refused form with 422 or 429."""

import json
from http import HTTPStatus
from typing import Any

from allauth.account import views as allauth
from allauth.account.adapter import get_adapter
from allauth.mfa.base import views as mfa
from allauth.mfa.webauthn import views as webauthn
from django.forms import Form
from django.http import HttpRequest, HttpResponse

from accounts.errors import TooManyAttempts
from llmcost.errors import page_answer

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


class SignInView(RefusedForm, allauth.LoginView):
    """GET, POST /login/"""


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


def passkey_options(page: dict[str, Any]) -> str:
    """Write the options of a WebAuthn ceremony for static/js/passkeys.js; empty without a key."""
    options = page.get("js_data", {})
    asked = options.get("creation_options") or options.get("request_options") or {}
    wanted = "creation_options" in options or asked.get("publicKey", {}).get("allowCredentials")
    return json.dumps(asked, default=dict) if wanted else ""


def too_many_attempts(request: HttpRequest) -> HttpResponse:
    """Answer a form that was sent too often; allauth finds it as `handler429` of the URLconf."""
    return page_answer(request, TooManyAttempts())
