"""What of Stripe's objects may be stored: the one list, deny by default.

Each kind of object has the paths that stay; whatever is not named here is gone before it is
saved (`minimise`), and once more in the database (`billing.stripe.backstop` hands this very list
to its triggers). An object where only its id is wanted (`customer` that came expanded) becomes
its id. Of a payment that leaves the card's last four digits and the billing address.

Not here, and why one could miss them: names, e-mail addresses and phone numbers (ours are in
`accounts_user`), brand and expiry of a card (not promised), `client_secret`, `hosted_invoice_url`
and `invoice_pdf` (they open a thing for whoever holds them), descriptions and other free text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import models

# A path's end is True; a branch is a mapping. Lists are looked through.
Paths = Mapping[str, Any]

# What stays of an object of which nothing is said below.
ANY = "id object livemode created deleted"
# Our own words on Stripe's objects: public ids, plans and numbers, written by `billing` alone.
METADATA = "metadata.account metadata.plan metadata.period_start metadata.events"
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def _address(at: str) -> str:
    return " ".join(f"{at}.{line}" for line in _ADDRESS)


def _below(at: str, names: str) -> str:
    return " ".join(f"{at}.{name}" for name in names.split())


_PRICE = (
    f"{ANY} active billing_scheme currency lookup_key product type unit_amount unit_amount_decimal"
    " recurring.interval recurring.interval_count recurring.usage_type metadata.plan"
)
_LINE = (
    f"{ANY} amount currency invoice period.start period.end proration quantity"
    " subscription subscription_item type unit_amount customer date"
    " pricing.price_details.price pricing.unit_amount_decimal"
    f" {_below('price', _PRICE)} {METADATA}"
    " parent.type parent.invoice_item_details.invoice_item parent.invoice_item_details.proration"
    " parent.subscription_item_details.subscription"
)
_ITEM = (
    f"{ANY} current_period_start current_period_end quantity subscription {_below('price', _PRICE)}"
)

_STAYS: Mapping[str, str] = {
    "balance_transaction": f"{ANY} amount currency fee net source status type",
    "card": (
        f"{ANY} customer last4 address_city address_country address_line1 address_line2"
        " address_state address_zip"
    ),
    "charge": (
        f"{ANY} amount amount_captured amount_refunded balance_transaction captured currency"
        " customer disputed failure_code invoice paid payment_intent payment_method refunded"
        f" status payment_method_details.card.last4 {_address('billing_details.address')}"
    ),
    "customer": (
        f"{ANY} balance currency default_payment_method delinquent tax_exempt"
        f" invoice_settings.default_payment_method metadata.account {_address('address')}"
    ),
    "dispute": f"{ANY} amount charge currency payment_intent reason status",
    "event": f"{ANY} api_version type",
    "invoice": (
        f"{ANY} amount_due amount_paid amount_remaining attempt_count attempted auto_advance"
        " billing_reason collection_method currency customer due_date ending_balance"
        " next_payment_attempt number paid period_end period_start starting_balance status"
        " subscription subtotal tax total"
        " status_transitions.finalized_at status_transitions.marked_uncollectible_at"
        " status_transitions.paid_at status_transitions.voided_at"
        " parent.type parent.subscription_details.subscription"
        " total_taxes.amount total_tax_amounts.amount lines.object lines.has_more"
        f" {_address('customer_address')} {_below('lines.data', _LINE)} {METADATA}"
    ),
    "invoiceitem": _LINE,
    "line_item": _LINE,
    "payment_intent": (
        f"{ANY} amount amount_received canceled_at currency customer invoice latest_charge"
        " payment_method status"
    ),
    "payment_method": (f"{ANY} customer type card.last4 {_address('billing_details.address')}"),
    "price": _PRICE,
    "product": f"{ANY} active default_price type metadata.plan",
    "refund": f"{ANY} amount charge currency payment_intent status",
    "setup_intent": f"{ANY} customer payment_method status usage",
    "subscription": (
        f"{ANY} billing_cycle_anchor cancel_at cancel_at_period_end canceled_at"
        " collection_method currency current_period_end current_period_start customer"
        " days_until_due default_payment_method ended_at latest_invoice quantity start_date status"
        " trial_end trial_start"
        f" items.object items.has_more {_below('items.data', _ITEM)}"
        " metadata.account metadata.plan"
    ),
    "subscription_item": _ITEM,
    "tax_id": f"{ANY} customer type verification.status",
    "tax_rate": f"{ANY} active inclusive percentage tax_type",
}

# Columns of dj-stripe's tables that hold text and may: ids and words of Stripe's own vocabulary.
# Every other column that can hold text or JSON stays empty.
COLUMNS = frozenset(
    {
        *("id", "type", "status", "action", "lookup_key", "currency", "default_currency"),
        *("api_version", "djstripe_version", "djstripe_validation_method"),
    }
)
# The JSON columns that hold a (part of a) Stripe object.
OBJECT_COLUMN, METADATA_COLUMN, EVENT_COLUMN = "stripe_data", "metadata", "data"


def _tree(paths: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths.split():
        *branches, leaf = path.split(".")
        here = tree
        for branch in branches:
            here = here.setdefault(branch, {})
        here[leaf] = True
    return tree


PATHS: Mapping[str, Paths] = {kind: _tree(stays) for kind, stays in _STAYS.items()}
UNKNOWN: Paths = _tree(ANY)
# Of the event itself: which object it is about.
EVENT_DATA: Paths = _tree("object.id object.object object.customer")


def paths_of(kind: str | None) -> Paths:
    """Return what stays of an object of this kind (its `object`, as Stripe names it)."""
    return PATHS.get(kind or "", UNKNOWN)


def minimise(value: Any, paths: Any) -> Any:
    """Return what `paths` lets through of `value`; nothing else, whatever its shape."""
    match value, paths:
        case list(), _:
            return [minimise(one, paths) for one in value]
        case dict(), True:
            found = value.get("id")
            return found if isinstance(found, str) else None
        case dict(), _:
            return {
                name: minimise(value[name], below) for name, below in paths.items() if name in value
            }
        case _, True:
            return value
    return None  # a bare value where an object should be: its meaning is unknown


def of_object(data: Mapping[str, Any], kind: str | None = None) -> dict[str, Any]:
    """Return what is kept of an object that the API has returned."""
    kept: dict[str, Any] = minimise(dict(data), paths_of(kind or data.get("object")))
    return kept


@dataclass(frozen=True, slots=True)
class Rule:
    """What one table of dj-stripe's may keep: columns to empty, and what stays in JSON columns."""

    blank: Mapping[str, Any]
    paths: Mapping[str, Paths]


@cache
def rule_of(model: type[models.Model]) -> Rule:
    """Return the rule of a model of dj-stripe's, whichever it is: a new column stays empty."""
    kind = getattr(getattr(model, "stripe_class", None), "OBJECT_NAME", None)
    known: dict[str, Paths] = {
        OBJECT_COLUMN: paths_of(kind),
        METADATA_COLUMN: paths_of(kind).get(METADATA_COLUMN, {}),
    }
    if kind == "event":
        known[EVENT_COLUMN] = EVENT_DATA
    blank: dict[str, Any] = {}
    paths: dict[str, Paths] = {}
    for field in model._meta.concrete_fields:
        column = str(field.column)
        if field.is_relation or column in COLUMNS or not isinstance(field, _HOLDS_TEXT):
            continue
        if column in known:
            paths[column] = known[column]
        else:
            blank[column] = None if field.null else _nothing(field)
    return Rule(blank, paths)


_HOLDS_TEXT = (models.CharField, models.TextField, models.JSONField, models.GenericIPAddressField)


def _nothing(field: "models.Field[Any, Any]") -> Any:
    if isinstance(field, models.JSONField):
        return {}
    return "::" if isinstance(field, models.GenericIPAddressField) else ""
