"""Forms of letters and requests; those that anybody may send ask for a sign of a person."""

from typing import Any

from django import forms
from django.core import signing
from django.core.validators import EmailValidator
from django.utils.html import format_html
from django.utils.safestring import SafeString

from privacy.models import Kind

MAX_TEXT = 10_000
# Nobody reads and fills in a form in less; and no page stays open for longer than a day.
QUICKEST_SECONDS, SLOWEST_SECONDS = 2, 86_400
EMAIL_INVALID = "This address is not complete. It looks like name@company.com."
SALT = "privacy.forms"


def _text(label: str, help_text: str, *, required: bool) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 6}),
        error_messages={
            "required": "Write a few words.",
            "max_length": f"At most {MAX_TEXT:,} characters, please.",
        },
    )


class OpenForm(forms.Form):
    """A form that anybody may send, with two signs of a person and no third party.

    `website` is a field that people do not see and programs fill in. `made` is when the form was
    shown, signed: too quick is a program, too old a copy.
    """

    name = forms.CharField(
        label="Name", max_length=200, error_messages={"required": "Enter your name."}
    )
    email = forms.EmailField(
        label="Email",
        max_length=254,
        validators=[EmailValidator(EMAIL_INVALID)],
        error_messages={"required": "Enter your e-mail address.", "invalid": EMAIL_INVALID},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["email"].widget.attrs["autocomplete"] = "email"

    @property
    def is_trap_sprung(self) -> bool:
        """Whether the field that nobody sees was filled in."""
        return bool(self.data.get("website"))

    @property
    def signs(self) -> SafeString:
        """The trap and the time, as HTML."""
        return format_html(
            '<input type="hidden" name="made" value="{}">'
            '<div class="hidden-visually" aria-hidden="true"><label for="id_website">Leave this'
            ' empty</label><input id="id_website" name="website" tabindex="-1"'
            ' autocomplete="off"></div>',
            signing.TimestampSigner(salt=SALT).sign("form"),
        )

    def clean(self) -> dict[str, Any]:
        signer, made = signing.TimestampSigner(salt=SALT), self.data.get("made", "")
        try:
            signer.unsign(made, max_age=SLOWEST_SECONDS)
        except signing.BadSignature:
            raise forms.ValidationError("This form was open for too long. Send it again.") from None
        try:
            signer.unsign(made, max_age=QUICKEST_SECONDS)
        except signing.SignatureExpired:
            return super().clean() or {}
        raise forms.ValidationError("That was quicker than anybody writes. Send it again.")


class ContactForm(OpenForm):
    """A letter to us."""

    subject = forms.CharField(
        label="Subject", max_length=200, error_messages={"required": "Say what it is about."}
    )
    text = _text("Message", "", required=True)
    field_order = ("name", "email", "subject", "text")


class RequestForm(OpenForm):
    """A request about one's data by somebody who is not signed in."""

    kind = forms.ChoiceField(label="What do you want?", choices=Kind.choices)
    text = _text(
        "Details",
        "If you are a user of an application of one of our customers, name that company and the"
        " application: it decides about your data.",
        required=False,
    )
    field_order = ("name", "email", "kind", "text")


class MemberRequestForm(forms.Form):
    """A request by somebody who is signed in."""

    kind = forms.ChoiceField(
        label="What do you want?",
        choices=[one for one in Kind.choices if one[0] != Kind.CHILD],
    )
    text = _text("Details", "What we should know to do it.", required=False)
