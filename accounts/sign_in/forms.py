"""The forms of sign-up and sign-in, and the words that every form about a person shares."""

from typing import Any

from allauth.account import forms as allauth
from allauth.account.fields import EmailField, SetPasswordField
from allauth.mfa.base import forms as mfa
from allauth.socialaccount.forms import SignupForm as ProviderSignUp
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.validators import EmailValidator
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import mark_safe

from accounts.models import User
from accounts.sso.connections import connection_of

NAME_LENGTH = 200  # of a person and of a company, as in the models
HELP = "At least 12 characters."
MISSING = {
    "name": "Enter your name.",
    "email": "Enter your e-mail address.",
    "login": "Enter your e-mail address.",
    "company": "Enter the name of your company.",
    "password": "Enter your password.",
    "password1": "Choose a password.",
    "oldpassword": "Enter your current password.",
    "code": "Enter the code.",
    "accept": "Tick this box to create an account.",
}
EMAIL_INVALID = "This address is not complete. It looks like name@company.com."


class SignUpForm(allauth.SignupForm):
    """Name, e-mail address, company, password, and one box; nothing else is asked."""

    name = forms.CharField(label="Name", max_length=NAME_LENGTH)
    company = forms.CharField(label="Company", max_length=NAME_LENGTH)
    accept = forms.BooleanField(
        label=mark_safe(
            "I am 16 or older and accept the "
            '<a href="/terms/">terms</a> and the <a href="/privacy/">privacy policy</a>'
        ),
    )
    field_order = ("name", "email", "company", "password1", "accept")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        if "company" in self.fields:
            self.fields["company"].widget.attrs["autocomplete"] = "organization"
        self.fields["password1"].help_text = HELP

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Make the user and the account, all or nothing.

        For a known address only a mail is sent; the answer is the same, and takes as long.
        """
        if not self.account_already_exists:  # set by validate_unique_email
            try:
                with transaction.atomic():
                    return super().try_save(request)
            except IntegrityError:
                # Somebody signed up with this address since the form was checked.
                self.account_already_exists = True
        make_password(self.cleaned_data["password1"])
        return super().try_save(request)


class InvitedSignUpForm(SignUpForm):
    """Sign-up by an invitation: it knows the company and the address, which cannot be changed."""

    company = None
    field_order = ("name", "email", "password1", "accept")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].disabled = True
        self.fields["email"].help_text = "The invitation is for this address."


class ProviderSignUpForm(ProviderSignUp):
    """What is asked of who comes through a provider: the same, but for the password.

    Through an account's own single sign-on they join that account, so no company is asked. An
    address that the provider has confirmed cannot be changed on the way.
    """

    name = forms.CharField(label="Name", max_length=NAME_LENGTH)
    company = forms.CharField(label="Company", max_length=NAME_LENGTH)
    accept = SignUpForm.declared_fields["accept"]
    field_order = ("name", "email", "company", "accept")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["company"].widget.attrs["autocomplete"] = "organization"
        email = self.initial.get("email")
        if any(one.verified and one.email == email for one in self.sociallogin.email_addresses):
            self.fields["email"].disabled = True
        if connection_of(self.sociallogin.account.provider):
            del self.fields["company"]

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Make the user and the account, all or nothing; for a known address only mail."""
        with transaction.atomic():
            return super().try_save(request)


class SignInForm(allauth.LoginForm):
    """E-mail address and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)
        self.fields["password"].help_text = ""  # the link stands beside the label


class ResetForm(allauth.ResetPasswordForm):
    """The address to which the link for a new password goes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)


class NewPasswordForm(allauth.ResetPasswordKeyForm):
    """A new password, typed once: whoever mistypes it asks for another link."""

    password2 = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)
        self.fields["password1"].label = "New password"


class PasswordAgainForm(allauth.ReauthenticateForm):
    """The password, asked again before something dangerous."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)
        self.fields["password"].help_text = ""


class CodeForm(mfa.AuthenticateForm):
    """The second step of signing in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain_code(self)


class CodeAgainForm(mfa.ReauthenticateForm):
    """A code, asked before something dangerous."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain_code(self)


def plain_code(form: forms.Form) -> None:
    """Ask for a code in our own words."""
    plain(form)
    code = form.fields["code"]
    code.label = "Code"
    code.help_text = "From your authenticator app, or one of your recovery codes."
    code.max_length = 20
    code.widget.attrs |= {"inputmode": "numeric", "autocapitalize": "off", "spellcheck": "false"}


def plain(form: forms.Form) -> None:
    """Take allauth's placeholders away (a label says it, and stays), and set our own words."""
    for name, field in form.fields.items():
        field.widget.attrs.pop("placeholder", None)
        if name in MISSING:
            field.error_messages["required"] = MISSING[name]
        if isinstance(field, EmailField):
            field.label = "Email"
            field.validators = [EmailValidator(EMAIL_INVALID)]
        if isinstance(field, SetPasswordField):
            field.help_text = HELP
