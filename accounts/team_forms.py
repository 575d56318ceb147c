"""Forms of a team, of its audit trail and of the account's end."""

from typing import Any

from django import forms
from django.core.validators import EmailValidator

from accounts.forms import EMAIL_INVALID, MISSING
from accounts.models import Account, Invitation, Membership, Role
from accounts.trail import GROUPS, Question

# The owner's role is given by a transfer only.
GIVEN_ROLES = [(role.value, role.label) for role in Role if role != Role.OWNER]


class InvitationForm(forms.ModelForm):
    """Who is invited, and as what."""

    role = forms.ChoiceField(label="Role", choices=GIVEN_ROLES, initial=Role.MEMBER)

    class Meta:
        model = Invitation
        fields = ("email", "role")
        help_texts = {"email": "The link works for this address only, once, within seven days."}
        error_messages = {"email": {"required": MISSING["email"]}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].validators = [EmailValidator(EMAIL_INVALID)]
        self.fields["email"].widget.attrs["autocomplete"] = "off"


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(label="Role", choices=GIVEN_ROLES)


class OwnerForm(forms.Form):
    """Who becomes the owner."""

    member = forms.ModelChoiceField(
        label="New owner",
        queryset=Membership.objects.none(),
        empty_label="Choose a member",
        error_messages={
            "required": "Choose a member.",
            "invalid_choice": "This person is not a member of the account.",
        },
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Membership.objects.filter(account_id=account.pk).exclude(role=Role.OWNER)
        member = self.fields["member"]
        member.queryset = others.select_related("user").order_by("pk")
        member.label_from_instance = lambda one: f"{one.user.name} ({one.user.email})"


class CompanyForm(forms.ModelForm):
    """The company's name."""

    class Meta:
        model = Account
        fields = ("name",)
        error_messages = {"name": {"required": MISSING["company"]}}


class ClosingForm(forms.Form):
    """The company's name, typed: nobody closes an account by a slip."""

    name = forms.CharField(label="Name of the company")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.fields["name"].widget.attrs["autocomplete"] = "off"
        self.fields["name"].error_messages["required"] = "Type the name as it stands above."

    def clean_name(self) -> str:
        """Take the name in any case and spacing."""
        name = self.cleaned_data["name"]
        if name.casefold().split() != self.account.name.casefold().split():
            raise forms.ValidationError("This is not the name that stands above.")
        return name


class TrailForm(forms.Form):
    """Which lines of the audit trail are asked for."""

    group = forms.ChoiceField(
        label="About", required=False, choices=[("", "everything"), *GROUPS.items()]
    )
    person = forms.ModelChoiceField(
        label="Person", required=False, queryset=Membership.objects.none(), empty_label="everybody"
    )
    first = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    last = forms.DateField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        person = self.fields["person"]
        own = Membership.objects.filter(account_id=account.pk).select_related("user")
        person.queryset = own.order_by("pk")
        person.label_from_instance = lambda one: one.user.name or one.user.email

    def question(self) -> Question:
        """Return what is asked, once the form is valid."""
        asked = self.cleaned_data
        return Question(
            account_id=self.account.pk,
            group=asked["group"],
            user_id=asked["person"].user_id if asked["person"] else None,
            first=asked["first"],
            last=asked["last"],
        )
