"""The forms of a person's own pages: what is asked, its label and its help."""

from typing import Any

from allauth.account import forms as allauth
from allauth.core import context
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms

from accounts.models import User
from accounts.sign_in.forms import plain, plain_code
from llmcost.vault import Unsealable, seal, unseal


class NameForm(forms.ModelForm):
    """How the team sees a person."""

    class Meta:
        model = User
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)
        self.fields["name"].widget.attrs["autocomplete"] = "name"


class ChangeEmailForm(allauth.AddEmailForm):
    """A new address; the old one stays until the new one is confirmed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)
        self.fields["email"].label = "New address"
        self.fields["email"].help_text = "We send a link there. Until it is opened nothing changes."


class ChangePasswordForm(allauth.ChangePasswordForm):
    """A new password, against the current one; typed once, because it can be shown."""

    password2 = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)
        self.fields["oldpassword"].label = "Current password"
        self.fields["oldpassword"].help_text = ""
        self.fields["password1"].label = "New password"


class SetPasswordForm(allauth.SetPasswordForm):
    """A first password, for somebody who has signed in by other ways so far."""

    password2 = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain(self)


class AuthenticatorForm(ActivateTOTPForm):
    """The first code of a new authenticator app.

    Its secret waits sealed in the session until then: a session's data is text in the database.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain_code(self)
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
