"""A token bucket per key and process, so that one noisy key does not starve the others.

It guards this process's time, which is why it needs no shared store: it costs half a microsecond
and not a query. Quotas of events are another matter and are counted exactly, elsewhere.
"""

import math
import time

from django.conf import settings

from llmcost.errors import RateLimited

REMEMBER_KEYS = 10_000
_buckets: dict[int, tuple[float, float]] = {}


def take_turn(key_id: int) -> None:
    """Count one request of a key. Raises RateLimited with the seconds to wait."""
    rate = settings.RATE_LIMIT_PER_KEY
    now = time.monotonic()
    left, at = _buckets.get(key_id, (float(rate), now))
    left = min(float(rate), left + (now - at) * rate)
    if left < 1:
        raise RateLimited(wait_seconds=math.ceil((1 - left) / rate))
    if len(_buckets) >= REMEMBER_KEYS:
        _buckets.clear()
    _buckets[key_id] = (left - 1, now)
