"""What we hold of payment: billing records, and Stripe's objects cut down to ids and amounts."""

from llmcost.inventory import (
    HELD_BY,
    Basis,
    Category,
    Declared,
    Inventory,
    Recipient,
    Retention,
    Subject,
    columns,
    described,
    technical,
)

# Stripe has what it tells us.
_AT_STRIPE = (*HELD_BY, Recipient.STRIPE)
_PLAN = Declared(
    Category.SETTING,
    Subject.CUSTOMER,
    "plan and payment of the account",
    Basis.CONTRACT,
    Retention.ACCOUNT,
)
_CARD = Declared(
    Category.PAYMENT,
    Subject.CUSTOMER,
    "last four digits of the card and billing address, for the customer's records",
    Basis.CONTRACT,
    Retention.ACCOUNT,
    _AT_STRIPE,
)
_RECORD = Declared(
    Category.PAYMENT,
    Subject.CUSTOMER,
    "invoices, as tax law wants them kept",
    Basis.LEGAL_DUTY,
    Retention.BILLING,
    _AT_STRIPE,
)
_MIRROR = Declared(
    Category.PAYMENT,
    Subject.CUSTOMER,
    "Stripe's objects without whatever is not needed: ids, amounts, states, last four digits and"
    " billing address",
    Basis.CONTRACT,
    Retention.ACCOUNT,
    _AT_STRIPE,
)
_MIRROR_COLUMNS = """
    account_id ach_credit_transfer action active amount api_version application
    balance_transaction_id body canceled_at charge_id completed_at created currency
    current_phase customer_data customer_id data data_load_time date_purged default_currency
    default_payment_method_id default_settings destination_id djstripe_created djstripe_id
    djstripe_owner_account_id djstripe_tolerance djstripe_updated djstripe_uuid
    djstripe_validation_method djstripe_version document email enabled_events end_behavior
    entitlement_feature_id error event_id exception failure_balance_transaction_id fee_id
    file_id fingerprint headers id id_number idempotency_key invoice_id invoice_item_id
    invoiceitem_id last_error last_verification_report_id livemode lookup_key metadata name
    nickname on_behalf_of_id options original_payout_id payment_intent_id payment_method_id
    phases price_id processed product_id promotion_code redaction released_at
    released_subscription_id remote_ip request_id result_available_until reversed_by_id
    secret selfie setup_intent_id source source_id sql status
    stripe_trigger_account_id subscriber_id subscription_id subscription_item_id
    subscriptionitem_id supported_bank_account_currencies supported_payment_currencies
    supported_payment_methods supported_transfer_countries tax_code_id taxrate_id title
    traceback transfer_id type updated url uuid valid verification_fields verified_outputs
    webhook_endpoint_id
"""

INVENTORY: Inventory = {
    "billing_account": {
        **described(
            _PLAN,
            account_id="number of the account",
            plan="the plan",
            status="what Stripe says of the subscription",
            stripe_customer_id="Stripe's number of the customer",
            stripe_subscription_id="Stripe's number of the subscription",
            period_start="first moment of the month that is running",
            period_end="its end",
            trial_end="end of the trial of the paid plan",
            trial_until="end of the trial without a card",
            at_limit="what happens when the plan's calls are used up: stop, or go on and pay",
            larger_plan="a plan that was left in a month not billed yet",
            larger_until="until when the calls of that plan count as included",
            cancel_at_period_end="whether the subscription ends with the month",
            past_due_since="since when a payment is missing",
            tax_id_status="whether Stripe has checked the tax number",
            synced_at="when Stripe last told us something",
        ),
        **described(
            _CARD,
            card_last4="last four digits of the card",
            billing_address="billing address",
        ),
    },
    "billing_invoice": described(
        _RECORD,
        id="number in our database",
        account_id="number of the account",
        stripe_id="Stripe's number of the invoice",
        number="number on the invoice",
        status="whether it is open, paid or void",
        issued_at="when it was issued",
        period_start="first moment that it is for",
        period_end="its end",
        currency="currency",
        subtotal="sum before tax",
        tax="tax",
        total="sum with tax",
        amount_due="what was to be paid",
        amount_paid="what was paid",
        overage="the part of it for calls beyond the plan",
        billing_address="address on the invoice",
    ),
    "billing_overage": described(
        _RECORD,
        id="number in our database",
        account_id="number of the account",
        period_start="first moment of the month",
        period_end="its end",
        plan="the plan of that month",
        included_events="calls that the plan included",
        used_events="calls that were taken",
        currency="currency",
        amount="what the rest costs",
        stripe_item_id="Stripe's number of the line",
        created_at="when it was worked out",
    ),
    "billing_departed": technical(
        "customer_id since",
        "which customer Stripe has still to delete: an id",
        Retention.DAY,
    ),
    "billing_stripe_inbox": technical(
        "event_id type object_id customer_id created livemode status attempts due_at error",
        "that an object at Stripe has changed; ids only",
        Retention.SIXTY_DAYS,
    ),
    "billing_stripe_kept": technical(
        "table blank paths", "what may be kept of Stripe's objects", Retention.ALWAYS
    ),
    # Every column of every table that dj-stripe has. `billing.stripe.allowed` says which of them
    # hold something; triggers in the database see to it.
    "djstripe_*": {
        **columns("stripe_data", _MIRROR),
        **technical(_MIRROR_COLUMNS, "Stripe's ids, amounts and states", Retention.ACCOUNT),
    },
}
