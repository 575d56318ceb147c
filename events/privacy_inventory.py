"""What we hold of calls: counts and the customer's own tags, never what was said."""

from dataclasses import replace

from llmcost.inventory import Basis, Category, Declared, Inventory, Retention, Subject, columns

Columns = dict[str, Declared]


def _call(category: Category, subject: Subject, purpose: str) -> Declared:
    return Declared(category, subject, purpose, Basis.PROCESSOR, Retention.ACCOUNT)


def _fields(category: Category, subject: Subject, purpose: str, **meanings: str) -> Columns:
    """Declare columns that the policy lists one by one: each with what it is."""
    one = _call(category, subject, purpose)
    return {name: replace(one, meaning=meaning) for name, meaning in meanings.items()}


_KEYS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "whose call it is")
_COUNTS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "price and reports")
_TAGS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "reports by the customer's own tags")
_USER = _call(Category.END_USER_ID, Subject.END_USER, "cost of each of the customer's users")
_SUMS = """calls input_tokens output_tokens cached_input_tokens cache_write_tokens
    cache_write_1h_tokens reasoning_tokens cost_usd unpriced_calls error_calls latencies"""

# What a call carries, in the order in which the policy lists it.
_OF_THE_CALL = (Category.CALL_METADATA, Subject.CUSTOMER)
_EVENT: Columns = {
    **_fields(
        *_OF_THE_CALL,
        "price, reports",
        model="the model's name and version",
        input_tokens="tokens that went in",
        output_tokens="tokens that came out",
        provider="who runs the model",
    ),
    **_fields(*_OF_THE_CALL, "reports, budgets", cost_usd="the cost in US dollars"),
    **_fields(
        *_OF_THE_CALL,
        "reports",
        latency_ms="how long the call took, in milliseconds",
        feature="a tag that you choose",
        status="whether the call worked, failed or was cut short",
    ),
    **_fields(
        Category.END_USER_ID,
        Subject.END_USER,
        "cost of each user",
        user_id="an identifier that you choose for your end user",
    ),
    **_fields(*_OF_THE_CALL, "comparing versions", prompt_version="a label that you choose"),
    **_fields(*_OF_THE_CALL, "reports, retention", created_at="the time of the call"),
    **_fields(
        *_OF_THE_CALL,
        "price",
        cached_input_tokens="input that the provider had in its cache",
        cached_audio_tokens="the part of that which was sound",
        cache_write_tokens="input that went into the provider's cache",
        cache_write_1h_tokens="the part of that which stays for an hour",
        input_audio_tokens="input that was sound, as a count",
        input_image_tokens="input that was pictures, as a count",
        output_audio_tokens="output that was sound, as a count",
        output_image_tokens="output that was pictures, as a count",
        reasoning_tokens="output that the model used to think, as a count",
        web_search_requests="searches that the provider bills",
        service_tier="standard, batch, flex, priority or fast",
    ),
    **_fields(
        *_OF_THE_CALL, "so that a repeat counts once", event_id="a random number for the call"
    ),
}

INVENTORY: Inventory = {
    "events_event": {
        **columns("account_id project_id id_month received_at", _KEYS),
        **columns("catalogue_cost_usd cost_source unpriced_reason rate_id", _COUNTS),
        **_EVENT,
    },
    "events_delta": {
        **columns("account_id id project_id bucket", _KEYS),
        **columns(f"{_SUMS} provider model", _COUNTS),
        **columns("feature prompt_version", _TAGS),
        **columns("users", _USER),
        **columns(
            " ".join(f"user_{name}" for name in _SUMS.split() if name != "latencies"), _COUNTS
        ),
    },
    "events_quarter": {
        **columns("account_id project_id bucket series", _KEYS),
        **columns(f"{_SUMS} provider model", _COUNTS),
        **columns("feature prompt_version", _TAGS),
    },
    "events_user_day": {
        **columns("account_id project_id bucket series", _KEYS),
        **columns(f"{_SUMS} provider model", _COUNTS),
        **columns("feature prompt_version", _TAGS),
        **columns("user_id", _USER),
    },
    "events_month": columns("account_id month calls", _COUNTS),
    "events_allowance": columns("account_id calls", _COUNTS),
    "events_rate": columns(
        "id catalogue provider model units first_used_at",
        Declared(
            Category.CATALOGUE,
            Subject.NOBODY,
            "proof of each price",
            Basis.NOT_PERSONAL,
            Retention.ALWAYS,
        ),
    ),
}
