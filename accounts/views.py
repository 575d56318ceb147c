"""Pages of signing up and signing in: allauth's, which answer a refused form with 422 or 429."""

from http import HTTPStatus

from allauth.account import views as allauth
from django.forms import Form
from django.http import HttpRequest, HttpResponse

from accounts.errors import TooManyAttempts
from llmcost.errors import page_answer


class RefusedForm:
    """Gives a refused form its status, so that scripts and proxies can tell it from success."""

    def form_invalid(self, form: Form) -> HttpResponse:
        response = super().form_invalid(form)
        limited = form.has_error("__all__", code="too_many_login_attempts")
        response.status_code = (
            HTTPStatus.TOO_MANY_REQUESTS if limited else HTTPStatus.UNPROCESSABLE_ENTITY
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


def too_many_attempts(request: HttpRequest) -> HttpResponse:
    """Answer a form that was sent too often; allauth finds it as `handler429` of the URLconf."""
    return page_answer(request, TooManyAttempts())
