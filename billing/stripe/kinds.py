"""Which of Stripe's announcements matter here, and what kind of object each is about."""

# The longest beginning that fits decides. What is not here changes nothing that we keep: charges,
# intents and sessions are shown from Stripe while somebody pays; prices come with subscriptions.
KINDS = {
    "customer.": "customer",
    "customer.subscription.": "subscription",
    "customer.tax_id.": "tax_id",
    "invoice.": "invoice",
    "payment_method.": "payment_method",
}
# About things below a customer that are nothing of ours.
OTHERS = ("customer.source.", "customer.discount.", "customer.card.", "customer.bank_account.")


def kind_of(event_type: str) -> str | None:
    """Return the kind of object that an event of this type is about, None if it does not matter."""
    if event_type.startswith(OTHERS):
        return None
    fitting = [start for start in KINDS if event_type.startswith(start)]
    return KINDS[max(fitting, key=len)] if fitting else None
