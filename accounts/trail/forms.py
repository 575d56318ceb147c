"""The form of the audit trail's filters."""

from typing import Any

from django import forms

from accounts.models import Account, Membership
from accounts.trail.reading import GROUPS, Question


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
