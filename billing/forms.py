"""Forms of the billing pages."""

import re
from typing import Any

from django import forms
from django.core import signing

from billing.countries import COUNTRIES, tax_id_kind
from billing.models import AtLimit
from billing.plans import PAID, PLANS, Plan
from billing.services.purchase import Address

SPACES = re.compile(r"[\s.-]+")
# What was shown is what is bought: the moment from which a month is divided cannot be chosen.
QUOTE_SALT, QUOTE_SECONDS = "billing.change", 15 * 60


class AddressForm(forms.Form):
    """Who is billed, and where."""

    name = forms.CharField(
        label="Company",
        max_length=200,
        error_messages={"required": "Enter the name that stands on invoices."},
    )
    line1 = forms.CharField(
        label="Street and number",
        max_length=200,
        error_messages={"required": "Enter the street and number."},
    )
    line2 = forms.CharField(label="Second line", max_length=200, required=False)
    postal_code = forms.CharField(label="Postal code", max_length=20, required=False)
    city = forms.CharField(
        label="City", max_length=100, error_messages={"required": "Enter the city."}
    )
    state = forms.CharField(label="State or region", max_length=100, required=False)
    country = forms.ChoiceField(
        label="Country",
        choices=[("", "Choose…"), *COUNTRIES],
        error_messages={"required": "Choose the country."},
    )
    tax_id = forms.CharField(
        label="VAT id",
        max_length=30,
        required=False,
        help_text="If you have one. It goes to Stripe, for your invoices; we do not store it.",
    )

    AUTOCOMPLETE = {
        "name": "organization",
        "line1": "address-line1",
        "line2": "address-line2",
        "postal_code": "postal-code",
        "city": "address-level2",
        "state": "address-level1",
        "country": "country",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, purpose in self.AUTOCOMPLETE.items():
            self.fields[name].widget.attrs["autocomplete"] = f"billing {purpose}"
        self.fields["tax_id"].widget.attrs["autocomplete"] = "off"

    def clean_tax_id(self) -> str:
        """Write it without blanks, in capitals."""
        return SPACES.sub("", self.cleaned_data["tax_id"]).upper()

    def clean(self) -> dict[str, Any]:
        """Ask for VAT ids only where they exist."""
        given = super().clean() or self.cleaned_data
        if given.get("tax_id") and given.get("country") and not self.kind:
            self.add_error("tax_id", "We know no VAT ids of this country: leave it empty.")
        return given

    @property
    def kind(self) -> str:
        """Stripe's name for the VAT ids of the country that was chosen."""
        return tax_id_kind(self.cleaned_data["country"])

    @property
    def address(self) -> Address:
        """The lines that were entered."""
        lines = {name: self.cleaned_data[name] for name in Address.__slots__}
        return Address(**lines)


class PurchaseForm(AddressForm):
    """The address, and the card that Stripe has taken meanwhile."""

    setup_intent = forms.CharField(
        widget=forms.HiddenInput,
        max_length=255,
        error_messages={"required": "Enter the card. It needs JavaScript, and Stripe's script."},
    )


class CardForm(forms.Form):
    """The card that Stripe has taken."""

    setup_intent = forms.CharField(
        widget=forms.HiddenInput,
        max_length=255,
        error_messages={"required": "Enter the card. It needs JavaScript, and Stripe's script."},
    )


class LimitForm(forms.Form):
    """What happens when the included events are used up."""

    at_limit = forms.ChoiceField(
        label="At the limit", choices=AtLimit.choices, widget=forms.RadioSelect
    )


def bought_plan(code: str) -> Plan | None:
    """Return a plan that is bought with a card, by its code."""
    plan = PLANS.get(code)
    return plan if plan in PAID else None


def quote(plan: Plan, at: int) -> str:
    """Sign what a page has shown, so that the form that comes back says the same."""
    return signing.dumps([plan.code, at], salt=QUOTE_SALT)


def quoted(text: str) -> tuple[str, int] | None:
    """Return plan and moment of a quote; None if it is not ours or has grown old."""
    try:
        code, at = signing.loads(text, salt=QUOTE_SALT, max_age=QUOTE_SECONDS)
    except signing.BadSignature:
        return None
    return code, at
