"""The forms of sign-up and sign-in: what is asked, its label and its help."""

from typing import Any

from allauth.account import forms as allauth
from allauth.account.fields import EmailField, SetPasswordField
from allauth.core import context
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from allauth.socialaccount.forms import SignupForm as ProviderSignUp
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.validators import EmailValidator
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import mark_safe

from accounts import sso
from accounts.models import Account, Role, User
from llmcost.vault import Unsealable, seal, unseal

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
        _plain(self)
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
        _plain(self)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["company"].widget.attrs["autocomplete"] = "organization"
        email = self.initial.get("email")
        if any(one.verified and one.email == email for one in self.sociallogin.email_addresses):
            self.fields["email"].disabled = True
        if sso.connection_of(self.sociallogin.account.provider):
            del self.fields["company"]

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Make the user and the account, all or nothing; for a known address only mail."""
        with transaction.atomic():
            return super().try_save(request)


class SsoEmailForm(forms.Form):
    """Whose single sign-on?"""

    email = EmailField(label="Email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)


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


# --- The person's own pages ------------------------------------------------------------------
class NameForm(forms.ModelForm):
    """How the team sees a person."""

    class Meta:
        model = User
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)
        self.fields["name"].widget.attrs["autocomplete"] = "name"


class ChangeEmailForm(allauth.AddEmailForm):
    """A new address; the old one stays until the new one is confirmed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)
        self.fields["email"].label = "New address"
        self.fields["email"].help_text = "We send a link there. Until it is opened nothing changes."


class ChangePasswordForm(allauth.ChangePasswordForm):
    """A new password, against the current one; typed once, because it can be shown."""

    password2 = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)
        self.fields["oldpassword"].label = "Current password"
        self.fields["oldpassword"].help_text = ""
        self.fields["password1"].label = "New password"


class SetPasswordForm(allauth.SetPasswordForm):
    """A first password, for somebody who has signed in by other ways so far."""

    password2 = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)


class PasswordAgainForm(allauth.ReauthenticateForm):
    """The password, asked again before something dangerous."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)
        self.fields["password"].help_text = ""


class CodeForm(mfa.AuthenticateForm):
    """The second step of signing in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain_code(self)


class CodeAgainForm(mfa.ReauthenticateForm):
    """A code, asked before something dangerous."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain_code(self)


class AuthenticatorForm(ActivateTOTPForm):
    """The first code of a new authenticator app.

    Its secret waits sealed in the session until then: a session's data is text in the database.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain_code(self)
        self.fields["code"].help_text = "Six digits, as the app shows them now."
        session = context.request.session
        try:
            self.secret = unseal(self.secret)
        except Unsealable:  # it is new, and allauth has put it into the session as it is
            session[SECRET_SESSION_KEY] = seal(self.secret)


class PasskeyForm(AddWebAuthnForm):
    """A new passkey. It always proves who holds it (by PIN, finger or face), so that it is a
    second factor and a way to sign in at once.
    """

    name = forms.CharField(
        label="Name", max_length=60, help_text="So that you can tell them apart."
    )
    passwordless = forms.BooleanField(initial=True, widget=forms.HiddenInput)


class PasskeyNameForm(EditWebAuthnForm):
    """Another name for a passkey."""

    name = forms.CharField(label="Name", max_length=60)


class SsoForm(forms.Form):
    """An account's OpenID Connect provider."""

    issuer = forms.URLField(
        label="Issuer",
        max_length=500,
        assume_scheme="https",
        help_text="The address of your provider, as its own description calls it.",
        error_messages={"required": "Enter the issuer's address."},
    )
    client_id = forms.CharField(
        label="Client ID", max_length=255, error_messages={"required": "Enter the client ID."}
    )
    client_secret = forms.CharField(
        label="Client secret",
        max_length=1000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    domains = forms.CharField(
        label="E-mail domains",
        max_length=2000,
        help_text="Parted by blanks. Owner or an admin must have a confirmed address in each.",
        error_messages={"required": "Enter at least one domain."},
    )
    default_role = forms.ChoiceField(
        label="Who comes new",
        required=False,
        choices=[
            ("", "is refused: members are invited"),
            (Role.READ_ONLY, "joins as Read-only"),
            (Role.MEMBER, "joins as Member"),
            (Role.BILLING, "joins as Billing"),
        ],
    )
    required = forms.BooleanField(
        label="Members must sign in this way. Other sessions do not open this account; yours does"
        " with a second factor, should the provider fail.",
        required=False,
    )

    def __init__(
        self, *args: Any, account: Account, has_secret: bool, has_factor: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.account, self.has_secret, self.has_factor = account, has_secret, has_factor
        if has_secret:
            self.fields["client_secret"].help_text = "Stored, sealed. Leave empty to keep it."

    def clean_issuer(self) -> str:
        """Ask the provider for its description."""
        issuer: str = self.cleaned_data["issuer"].rstrip("/")
        if wrong := sso.check_issuer(issuer):
            raise forms.ValidationError(wrong)
        return issuer

    def clean_client_secret(self) -> str:
        """Take a new secret, or keep the one that is there."""
        secret: str = self.cleaned_data["client_secret"]
        if not secret and not self.has_secret:
            raise forms.ValidationError("Enter the client secret.")
        return secret

    def clean_domains(self) -> list[str]:
        """Take domains in which a leader of the account has a confirmed address."""
        domains = sorted({one.lower().lstrip("@") for one in self.cleaned_data["domains"].split()})
        if foreign := sso.foreign_domains(self.account, domains):
            raise forms.ValidationError(
                f"No owner or admin has a confirmed address of their own company in"
                f" {', '.join(foreign)}."
            )
        return domains

    def clean_required(self) -> bool:
        """Let nobody lock themselves out."""
        required: bool = self.cleaned_data["required"]
        if required and not self.has_factor:
            raise forms.ValidationError(
                "Set up a second factor for yourself first: it is your way"
                " in should the provider fail."
            )
        return required


def _plain_code(form: forms.Form) -> None:
    _plain(form)
    code = form.fields["code"]
    code.label = "Code"
    code.help_text = "From your authenticator app, or one of your recovery codes."
    code.max_length = 20
    code.widget.attrs |= {"inputmode": "numeric", "autocapitalize": "off", "spellcheck": "false"}


def _plain(form: forms.Form) -> None:
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
