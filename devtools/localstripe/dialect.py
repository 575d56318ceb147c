# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the dialect of today's `stripe` library and the older one that localstripe speaks.

Requests lose what localstripe refuses to read, and name plans where they name prices; answers get
what newer versions of the API have moved, renamed or made a list.
"""

from __future__ import annotations

from typing import Any

from localstripe import resources
from localstripe.errors import UserError

Json = dict[str, Any]

# Parameters that change nothing here.
IGNORED = {
    "automatic_tax", "collection_method", "discountable", "include", "off_session",
    "payment_behavior", "payment_settings", "proration_behavior", "tax_exempt",
}  # fmt: skip
LISTS = {
    "account_tax_ids", "default_tax_rates", "discounts", "discount_amounts", "tax_rates",
    "taxes", "total_discount_amounts", "total_taxes", "preferred_locales",
}  # fmt: skip
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


# --- Requests --------------------------------------------------------------------------------
def to_old(data: Json) -> Json:
    """Rewrite a request's parameters."""
    data = {name: value for name, value in data.items() if name not in IGNORED}
    for item in data.get("items") or []:
        if "price" in item:
            item["plan"] = item.pop("price")
    if period := data.pop("period", None):
        data |= {"period_start": period["start"], "period_end": period["end"]}
    if address := data.get("address"):
        data["address"] = {name: text for name, text in address.items() if text}
    return data


def flatten(data: Json, prefix: str = "") -> dict[str, str]:
    """Write nested parameters the way a query does: `created[gt]`."""
    flat: dict[str, str] = {}
    for name, value in data.items():
        full = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            flat |= flatten(value, full)
        else:
            flat[full] = str(value)
    return flat


# --- Answers ---------------------------------------------------------------------------------
def to_new(value: Any, base_url: str) -> Any:
    """Rewrite an answer, however deep its objects are nested."""
    if isinstance(value, resources.StripeObject):
        value = value._export()
    if isinstance(value, list):
        return [to_new(one, base_url) for one in value]
    if not isinstance(value, dict):
        return value
    new = {name: to_new(inner, base_url) for name, inner in value.items()}
    new |= {name: [] for name in LISTS & new.keys() if new[name] is None}
    translate = _OF_OBJECT.get(str(new.get("object")))
    if translate and not new.get("deleted"):
        translate(new, base_url)
    return new


def price(plan: resources.Plan) -> Json:
    """Show a plan as the price that took its place."""
    return {
        "id": plan.id,
        "object": "price",
        "active": plan.active,
        "billing_scheme": plan.billing_scheme,
        "created": plan.created,
        "currency": plan.currency,
        "livemode": False,
        "lookup_key": plan.metadata.get("lookup_key"),
        "metadata": {name: text for name, text in plan.metadata.items() if name != "lookup_key"},
        "nickname": plan.nickname,
        "product": plan.product,
        "recurring": {
            "interval": plan.interval,
            "interval_count": plan.interval_count,
            "meter": None,
            "trial_period_days": None,
            "usage_type": plan.usage_type,
        },
        "tax_behavior": "unspecified",
        "type": "recurring",
        "unit_amount": plan.amount,
        "unit_amount_decimal": str(plan.amount),
    }


def expanded(answer: Any, paths: list[str], base_url: str) -> Any:
    """Put whole objects where the request asked for them, as `latest_invoice.payments`."""
    for path in paths:
        _expand(answer, path.split("."), base_url)
    return answer


def _expand(place: Any, path: list[str], base_url: str) -> None:
    if isinstance(place, list):
        for one in place:
            _expand(one, path, base_url)
        return
    if not path or not isinstance(place, dict) or path[0] not in place:
        return
    if isinstance(place[path[0]], str):
        place[path[0]] = retrieve(place[path[0]], base_url)
    _expand(place[path[0]], path[1:], base_url)


def retrieve(identifier: str, base_url: str) -> Json:
    """Return any object by its id alone. Raises UserError."""
    if identifier.startswith("price_"):
        return price(resources.Plan._api_retrieve(identifier))
    kind = resources.StripeObject._get_class_for_id(identifier)
    if kind is None:
        raise UserError(404, f"No such object: {identifier}")
    return to_new(kind._api_retrieve(identifier), base_url)


def _customer(new: Json, base_url: str) -> None:
    new["balance"] = -new.pop("account_balance")
    new |= {"tax_exempt": "none", "invoice_prefix": new["id"][-8:].upper()}
    new["address"] = new.get("address") and dict.fromkeys(ADDRESS) | new["address"]
    for inner in ("sources", "subscriptions", "tax_ids"):
        new.pop(inner, None)  # only where they are asked for, and we do not ask


def _payment_method(new: Json, base_url: str) -> None:
    details = new.get("billing_details") or {}
    new["billing_details"] = {
        "address": dict.fromkeys(ADDRESS) | (details.get("address") or {}),
        "email": details.get("email"),
        "name": details.get("name"),
        "phone": details.get("phone"),
    }
    new["allow_redisplay"] = "unspecified"


def _subscription(new: Json, base_url: str) -> None:
    subscription = resources.Subscription._api_retrieve(new["id"])
    for item in new["items"]["data"]:
        item["current_period_start"] = new["current_period_start"]
        item["current_period_end"] = new["current_period_end"]
        item["subscription"] = new["id"]
    del new["current_period_start"], new["current_period_end"]
    new |= {
        "automatic_tax": {"enabled": False},
        "billing_cycle_anchor": subscription.start_date,
        "collection_method": "charge_automatically",
        "currency": subscription.plan.currency,
        "default_payment_method": None,
        "discounts": [],
        "pending_setup_intent": None,
        "pending_update": getattr(subscription, "_pending", None),
        "schedule": None,
    }


def _subscription_item(new: Json, base_url: str) -> None:
    plan = new.pop("plan")
    new["price"] = price(resources.Plan._api_retrieve(plan["id"]))
    new["discounts"] = []


def _invoice(new: Json, base_url: str) -> None:
    intent = new.pop("payment_intent", None)
    new.pop("charge", None)
    new["payments"] = {
        "object": "list",
        "url": "/v1/invoice_payments",
        "has_more": False,
        "data": [_invoice_payment(new, intent)] if intent else [],
    }
    customer = resources.Customer._api_retrieve(new["customer"])
    page = None if new["status"] == "draft" else f"{base_url}/invoices/{new['id']}"
    new |= {
        "amount_remaining": new["amount_due"] - new["amount_paid"],
        "auto_advance": new["status"] in ("draft", "open"),
        "automatic_tax": {"enabled": False},
        "customer_address": customer.address,
        "customer_name": customer.name,
        "default_payment_method": None,
        "discounts": [],
        "effective_at": new["date"],
        "hosted_invoice_url": page,
        "invoice_pdf": page,
        "number": f"LOCAL-{str(new['id'])[-6:].upper()}",
        "period_start": new["period_start"] or new["date"],
        "period_end": new["period_end"] or new["date"],
        "total_discount_amounts": [],
        "total_taxes": [],
    }


def _invoice_payment(invoice: Json, intent: str) -> Json:
    return {
        "id": f"inpay_{invoice['id'][3:]}",
        "object": "invoice_payment",
        "amount_paid": invoice["amount_paid"] or None,
        "amount_requested": invoice["amount_due"],
        "created": invoice["created"],
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent},
        "status": "paid" if invoice["status"] == "paid" else "open",
    }


def _line_item(new: Json, base_url: str) -> None:
    plan, subscription = new.pop("plan", None), new.pop("subscription", None)
    is_item = new.pop("type") == "invoiceitem"
    new["parent"] = {
        "type": "invoice_item_details" if is_item else "subscription_item_details",
        "invoice_item_details": {
            "invoice_item": new.pop("invoice_item"),
            "proration": new["proration"],
            "subscription": subscription,
        }
        if is_item
        else None,
        "subscription_item_details": None
        if is_item
        else {
            "subscription_item": new.pop("subscription_item"),
            "subscription": subscription,
            "proration": new["proration"],
        },
    }
    new["pricing"] = plan and {
        "type": "price_details",
        "price_details": {"price": plan["id"], "product": plan["product"]},
        "unit_amount_decimal": str(plan["amount"]),
    }
    new |= {"discount_amounts": [], "discounts": [], "taxes": []}


def _invoice_item(new: Json, base_url: str) -> None:
    new |= {"discounts": [], "parent": None, "pricing": None}


def _payment_intent(new: Json, base_url: str) -> None:
    new.pop("charges", None)
    charge = new["latest_charge"]
    new["latest_charge"] = charge and charge["id"]
    new["payment_method_types"] = ["card"]


def _event(new: Json, base_url: str) -> None:
    new |= {"pending_webhooks": 0, "request": {"id": None, "idempotency_key": None}}


_OF_OBJECT = {
    "customer": _customer,
    "event": _event,
    "invoice": _invoice,
    "invoiceitem": _invoice_item,
    "line_item": _line_item,
    "payment_intent": _payment_intent,
    "payment_method": _payment_method,
    "subscription": _subscription,
    "subscription_item": _subscription_item,
}
