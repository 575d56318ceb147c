"""The forms of sign-up and sign-in: what is asked, its label and its help."""

from typing import Any

from allauth.account import forms as allauth
from allauth.account.fields import EmailField, SetPasswordField
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.validators import EmailValidator
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import mark_safe

from accounts.models import User

NAME_LENGTH = 200  # of a person and of a company, as in the models
HELP = "At least 12 characters."
MISSING = {
    "name": "Enter your name.",
    "email": "Enter your e-mail address.",
    "login": "Enter your e-mail address.",
    "company": "Enter the name of your company.",
    "password": "Enter your password.",
    "password1": "Choose a password.",
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
        _plain(self)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
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


class SignInForm(allauth.LoginForm):
    """E-mail address and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)
        self.fields["password"].help_text = ""  # the link stands beside the label


class ResetForm(allauth.ResetPasswordForm):
    """The address to which the link for a new password goes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)


class NewPasswordForm(allauth.ResetPasswordKeyForm):
    """A new password, typed once: whoever mistypes it asks for another link."""

    password2 = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)
        self.fields["password1"].label = "New password"


def _plain(form: forms.Form) -> None:
    """Take allauth's placeholders away (a label says it, and stays), and set our own words."""
    for name, field in form.fields.items():
        field.widget.attrs.pop("placeholder", None)
        field.error_messages["required"] = MISSING[name]
        if isinstance(field, EmailField):
            field.label = "Email"
            field.validators = [EmailValidator(EMAIL_INVALID)]
        if isinstance(field, SetPasswordField):
            field.help_text = HELP
