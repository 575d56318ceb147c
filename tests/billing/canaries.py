"""Stripe's objects with a mark in every text that Stripe can send, made from its client's types.

The types name every field of every object, so a field that Stripe adds is marked as soon as its
client knows it. Ids, words of a fixed vocabulary and numbers are as Stripe sends them.
"""

import functools
import re
import typing
from decimal import Decimal
from typing import Any

import stripe

MARK = "CANARY"
# The promise: of a payment these may be kept.
LAST4 = "4242"
ADDRESS = {
    "city": "KEPT-Berlin",
    "country": "DE",
    "line1": "KEPT-Street 1",
    "line2": "KEPT-Floor 2",
    "postal_code": "KEPT-10115",
    "state": "KEPT-BE",
}
# Where Stripe's types say `str` and an id, a number or a word of a fixed vocabulary stands.
VOCABULARY = {
    # a card of the oldest kind has its billing address in itself
    **{f"address_{line}": "KEPT" for line in ("city", "country", "line1", "line2", "state", "zip")},
    "account": "acct_1",
    "api_version": "2026-05-27.dahlia",
    "balance_transaction": "txn_1",
    "created": "2026-11-24T00:00:00Z",
    "currency": "usd",
    "customer": "cus_1",
    "default_payment_method": "pm_1",
    "latest_invoice": "in_1",
    "default_currency": "usd",
    "default_price": "price_1",
    "failure_code": "card_declined",
    "invoice": "in_1",
    "invoice_item": "ii_1",
    "lookup_key": "team_monthly",
    "number": "ACME-0001",
    "payment_intent": "pi_1",
    "payment_method": "pm_1",
    "price": "price_1",
    "product": "prod_1",
    "reason": "fraudulent",
    "schedule": "sub_sched_1",
    "source": "src_1",
    "status": "active",
    "subscription": "sub_1",
    "subscription_item": "si_1",
    "type": "card",
    "usage": "off_session",
}
PREFIXES = {
    "Customer": "cus",
    "Invoice": "in",
    "InvoiceItem": "ii",
    "InvoiceLineItem": "il",
    "PaymentMethod": "pm",
    "Price": "price",
    "Product": "prod",
    "Subscription": "sub",
    "SubscriptionItem": "si",
    "TaxId": "txi",
}


def canary_object(kind: type, *, expand: int = 1, number: int = 1) -> dict[str, Any]:
    """One object of a class of Stripe's client, with what it refers to in full, `expand` deep."""
    made = _fields(kind, kind.__name__, expand)
    made["id"] = f"{prefix_of(kind)}_{number}"
    made["object"] = getattr(kind, "OBJECT_NAME", kind.__name__.lower())
    made["livemode"] = False
    made.pop("deleted", None)
    if "metadata" in made:
        made["metadata"] = {"note": f"{MARK}-{kind.__name__}.metadata"}
    return made


def prefix_of(kind: type) -> str:
    return PREFIXES.get(kind.__name__, re.sub(r"[^a-z]", "", kind.__name__.lower()))


def _fields(kind: type, path: str, expand: int) -> dict[str, Any]:
    return {
        name.rstrip("_"): _value(of, f"{path}.{name}", name, expand)
        for name, of in getattr(kind, "__annotations__", {}).items()
        if not name.startswith("_") and "ClassVar" not in str(of)
    }


def _value(of: Any, path: str, name: str, expand: int) -> Any:
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if origin is typing.Union:
        options = [one for one in arguments if one is not type(None)]
        # Expanded while it may be: that is how the most reaches us.
        whole = [one for one in options if isinstance(one, typing.ForwardRef)]
        best = (
            whole[0]
            if whole and expand
            else next((one for one in options if not isinstance(one, typing.ForwardRef)), None)
        )
        literal = [one for one in options if typing.get_origin(one) is typing.Literal]
        return _value(literal[0] if literal else best, path, name, expand) if best else None
    if origin is typing.Literal:
        return arguments[0]
    if origin is list:
        return [one for one in [_value(arguments[0], path, name, expand)] if one is not None]
    if isinstance(of, typing.ForwardRef):
        found = _class_named(of.__forward_arg__)
        return canary_object(found, expand=expand - 1) if expand and found else None
    if origin is not None and issubclass(origin, stripe.ListObject):
        inner = arguments[0]
        while typing.get_origin(inner) is typing.Union:
            inner = typing.get_args(inner)[0]
        return {
            "object": "list",
            "data": [_value(inner, path, name, expand)] if expand else [],
            "has_more": False,
        }
    if origin is not None:  # an untyped mapping
        return {"note": f"{MARK}-{path}"}
    if of is str:
        return _text(path, name)
    if isinstance(of, type) and issubclass(of, stripe.StripeObject):
        if _is_address(of):
            return dict(ADDRESS) if _may_be_kept(path) else dict.fromkeys(ADDRESS, f"{MARK}-{path}")
        return _fields(of, path, expand)
    plain = {bool: False, int: 1_700_000_000, float: 1.5, Decimal: "4900"}
    return plain.get(of, f"{MARK}-{path}")


def _text(path: str, name: str) -> str:
    if name == "last4":
        return LAST4 if ".card." in path.lower() or path.startswith("Card.") else f"{MARK}-{path}"
    return VOCABULARY.get(name, f"{MARK}-{path}")


def _is_address(of: type) -> bool:
    return {"line1", "postal_code"} <= set(getattr(of, "__annotations__", {}))


def _may_be_kept(path: str) -> bool:
    """Whether this is the billing address, not where somebody lives or has goods sent."""
    return path.split(".", 1)[1] in {"address", "customer_address", "billing_details.address"}


@functools.cache
def _class_named(name: str) -> type | None:
    places = (stripe, stripe.issuing, stripe.radar, stripe.identity, stripe.test_helpers,
              stripe.entitlements, stripe.checkout, stripe.billing)  # fmt: skip
    return next((getattr(one, name) for one in places if hasattr(one, name)), None)
