"""Forms of an account's name and of its end."""

from typing import Any

from django import forms

from accounts.models import Account
from accounts.sign_in.forms import MISSING


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
