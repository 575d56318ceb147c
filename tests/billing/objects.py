"""Objects at Stripe as our own flows make them: the least that is valid."""

from typing import Any

ADDRESS = {
    "city": "Berlin",
    "country": "DE",
    "line1": "Street 1",
    "line2": None,
    "postal_code": "10115",
    "state": None,
}
START, END = 1_793_491_200, 1_796_083_200  # November 2026


def customer(**changes: Any) -> dict[str, Any]:
    return {
        "id": "cus_1",
        "object": "customer",
        "created": START,
        "livemode": False,
        "address": ADDRESS,
        "invoice_settings": {"default_payment_method": "pm_1"},
        "metadata": {},
    } | changes


def card(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pm_1",
        "object": "payment_method",
        "type": "card",
        "created": START,
        "livemode": False,
        "customer": "cus_1",
        "card": {"last4": "4242", "brand": "visa", "exp_month": 12, "exp_year": 2030},
        "billing_details": {"address": None, "email": "CANARY"},
        "metadata": {},
    } | changes


def subscription(status: str = "active", plan: str = "team", **changes: Any) -> dict[str, Any]:
    price = {
        "id": f"price_{plan}",
        "object": "price",
        "active": True,
        "created": START,
        "livemode": False,
        "currency": "usd",
        "type": "recurring",
        "product": "prod_1",
        "unit_amount": 4900,
        "unit_amount_decimal": "4900",
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        "metadata": {"plan": plan},
    }
    item = {
        "id": "si_1",
        "object": "subscription_item",
        "created": START,
        "quantity": 1,
        "subscription": "sub_1",
        "current_period_start": START,
        "current_period_end": END,
        "price": price,
        "metadata": {},
        "tax_rates": [],
    }
    return {
        "id": "sub_1",
        "object": "subscription",
        "created": START,
        "livemode": False,
        "customer": "cus_1",
        "status": status,
        "currency": "usd",
        "cancel_at_period_end": False,
        "trial_end": None,
        "default_payment_method": None,
        "items": {"object": "list", "data": [item], "has_more": False},
        "metadata": {},
    } | changes


def product() -> dict[str, Any]:
    return {
        "id": "prod_1",
        "object": "product",
        "created": START,
        "livemode": False,
        "active": True,
        "type": "service",
        "name": "Team",
        "metadata": {},
    }


def tax_id(status: str = "verified", **changes: Any) -> dict[str, Any]:
    return {
        "id": "txi_1",
        "object": "tax_id",
        "created": START,
        "livemode": False,
        "customer": "cus_1",
        "type": "eu_vat",
        "value": "CANARY-DE123456789",
        "verification": {"status": status, "verified_name": "CANARY"},
    } | changes


def invoice(status: str = "paid", number: int = 1, **changes: Any) -> dict[str, Any]:
    line = {
        "id": f"il_{number}",
        "object": "line_item",
        "amount": 700,
        "currency": "usd",
        "livemode": False,
        "period": {"start": START, "end": END},
        "quantity": 1,
        "invoice": f"in_{number}",
        "metadata": {"events": "20", "period_start": "2026-11-01T00:00:00+00:00"},
        "description": "CANARY",
    }
    return {
        "id": f"in_{number}",
        "object": "invoice",
        "created": START,
        "livemode": False,
        "customer": "cus_1",
        "customer_name": "CANARY",
        "customer_address": ADDRESS,
        "status": status,
        "number": f"ACME-{number:04}",
        "currency": "usd",
        "subtotal": 5600,
        "total_taxes": [{"amount": 1064}],
        "total": 6664,
        "amount_due": 6664,
        "amount_paid": 6664 if status == "paid" else 0,
        "amount_remaining": 0,
        "period_start": START,
        "period_end": END,
        "status_transitions": {"finalized_at": END},
        "hosted_invoice_url": "https://CANARY.example",
        "lines": {"object": "list", "data": [line], "has_more": False},
        "metadata": {},
    } | changes


# What announces each kind of object, in the order in which it usually happens.
ANNOUNCED = {
    "customer": ["customer.created", "customer.updated"],
    "payment_method": ["payment_method.attached"],
    "tax_id": ["customer.tax_id.created", "customer.tax_id.updated"],
    "subscription": ["customer.subscription.created", "customer.subscription.updated"],
    "invoice": ["invoice.created", "invoice.finalized", "invoice.paid"],
}
