"""The forms of single sign-on: whose it is, and how an account sets up its own."""

from typing import Any

from allauth.account.fields import EmailField
from django import forms

from accounts.models import Account, Role
from accounts.sign_in.forms import plain
from accounts.sso.connections import check_issuer, foreign_domains


class SsoEmailForm(forms.Form):
    """Whose single sign-on?"""

    email = EmailField(label="Email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)


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
        help_text="Separated by spaces. Owner or an admin must have a confirmed address in each.",
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
        if wrong := check_issuer(issuer):
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
        if foreign := foreign_domains(self.account, domains):
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
