"""What we hold of calls: counts and the customer's own tags, never what was said."""

from llmcost.inventory import Basis, Category, Declared, Inventory, Retention, Subject, columns


def _call(category: Category, subject: Subject, purpose: str) -> Declared:
    return Declared(category, subject, purpose, Basis.PROCESSOR, Retention.ACCOUNT)


_KEYS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "whose call it is")
_COUNTS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "price and reports")
_TAGS = _call(Category.CALL_METADATA, Subject.CUSTOMER, "reports by the customer's own tags")
_USER = _call(Category.END_USER_ID, Subject.END_USER, "cost of each of the customer's users")
_SUMS = """calls input_tokens output_tokens cached_input_tokens cache_write_tokens
    cache_write_1h_tokens reasoning_tokens cost_usd unpriced_calls error_calls latencies"""

INVENTORY: Inventory = {
    "events_event": {
        **columns("account_id project_id event_id id_month received_at", _KEYS),
        **columns(
            """created_at input_tokens output_tokens cached_input_tokens cache_write_tokens
            cache_write_1h_tokens input_audio_tokens cached_audio_tokens input_image_tokens
            reasoning_tokens output_audio_tokens output_image_tokens web_search_requests
            latency_ms cost_usd catalogue_cost_usd cost_source unpriced_reason rate_id status
            service_tier provider model""",
            _COUNTS,
        ),
        **columns("feature prompt_version", _TAGS),
        **columns("user_id", _USER),
    },
    "events_delta": {
        **columns("account_id id project_id bucket", _KEYS),
        **columns(f"{_SUMS} provider model", _COUNTS),
        **columns("feature prompt_version", _TAGS),
        **columns("user_id", _USER),
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
