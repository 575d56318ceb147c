"""What we hold of calls: counts and the customer's own tags, never what was said."""

from llmcost.inventory import (
    Basis,
    Category,
    Declared,
    Inventory,
    Retention,
    Subject,
    columns,
    described,
)


def _call(category: Category, subject: Subject, purpose: str) -> Declared:
    return Declared(category, subject, purpose, Basis.PROCESSOR, Retention.ACCOUNT)


_KEYS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "whose call it is")
_COUNTS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "price and reports")
_TAGS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "reports by the customer's own tags")
_QUOTA = _call(Category.CALL_METADATA, Subject.CUSTOMER, "counting what the plan includes")
_USER = _call(Category.END_USER_ID, Subject.END_USER, "cost of each of the customer's users")
_SUMS = """calls input_tokens output_tokens cached_input_tokens cache_write_tokens
    cache_write_1h_tokens reasoning_tokens cost_usd unpriced_calls error_calls latencies"""


# What a call carries, in the order in which the policy lists it.
def _of_the_call(purpose: str) -> Declared:
    return _call(Category.CALL_METADATA, Subject.CUSTOMER, purpose)


_EVENT: dict[str, Declared] = {
    **described(
        _of_the_call("price, reports"),
        model="the model's name and version",
        input_tokens="tokens that went in",
        output_tokens="tokens that came out",
        provider="who runs the model",
    ),
    **described(_of_the_call("reports, budgets"), cost_usd="the cost in US dollars"),
    **described(
        _of_the_call("reports"),
        latency_ms="how long the call took, in milliseconds",
        feature="a tag that you choose",
        status="whether the call worked, failed or was cut short",
    ),
    **described(
        _call(Category.END_USER_ID, Subject.END_USER, "cost of each user"),
        user_id="an identifier that you choose for your end user",
    ),
    **described(_of_the_call("comparing versions"), prompt_version="a label that you choose"),
    **described(_of_the_call("reports, retention"), created_at="the time of the call"),
    **described(
        _of_the_call("price"),
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
    **described(
        _of_the_call("so that a repeat counts once"), event_id="a random number for the call"
    ),
}

INVENTORY: Inventory = {
    "events_event": {
        **_EVENT,
        **described(
            _COUNTS,
            cost_source="who set the cost: caller, catalogue, override, or unpriced",
            catalogue_cost_usd="what our price list says, where the caller sent a cost",
            unpriced_reason="why there is no price",
            rate_id="the price that was used: a line of rates.json",
        ),
        **described(
            _KEYS,
            account_id="number of the account",
            project_id="number of the project",
            received_at="when the call reached us",
            id_month="the month in which event_id is unique, 0 for a random one",
        ),
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
    "events_month": described(
        _QUOTA,
        account_id="number of the account",
        month="first moment of the month, UTC",
        calls="calls taken in that month",
    ),
    "events_allowance": described(
        _QUOTA,
        account_id="number of the account",
        calls="calls that may be taken in this month",
    ),
    "events_rate": described(
        Declared(
            Category.CATALOGUE,
            Subject.NOBODY,
            "proof of each price",
            Basis.NOT_PERSONAL,
            Retention.ALWAYS,
        ),
        id="number of the price, made from what it says",
        catalogue="the price list and its release",
        provider="who runs the model",
        model="the model as the price list names it",
        units="dollars for one of each count; tiers begin at so many input tokens",
        first_used_at="when a call was first priced by it",
    ),
}
