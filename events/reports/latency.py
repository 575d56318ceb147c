"""Latency as counts in logarithmic buckets: mergeable by adding, at most 2 % off.

The buckets are numbered by `llmcost_latency_bucket` in the database; this is its inverse.
"""

from math import ceil

MAX_RELATIVE_ERROR = 0.02
GROWTH = (1 + MAX_RELATIVE_ERROR) / (1 - MAX_RELATIVE_ERROR)


def milliseconds(bucket: int | None) -> float | None:
    """Return the value for a bucket; exact where only one whole number falls into it."""
    if bucket is None:
        return None
    if bucket <= 1:
        return 0
    low, high = GROWTH ** (bucket - 2), GROWTH ** (bucket - 1)
    first, last = ceil(low), ceil(high) - 1
    return first if first == last else round(2 * high / (GROWTH + 1), 1)
