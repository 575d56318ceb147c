"""Forms of a team."""

from typing import Any

from django import forms
from django.core.validators import EmailValidator

from accounts.models import Account, Invitation, Membership, Role
from accounts.sign_in.forms import EMAIL_INVALID, MISSING

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
