"""A token bucket per caller and process, so that a noisy one does not starve the others.

It guards this process's time, which is why it needs no shared store: it costs half a microsecond
and not a query. Quotas of events are another matter and are counted exactly, elsewhere.
"""

import math
import time
from collections.abc import Hashable

from django.conf import settings

from llmcost.errors import RateLimited

REMEMBER = 10_000
_buckets: dict[Hashable, tuple[float, float]] = {}


def take_turn(caller: Hashable, rate: int | None = None) -> None:
    """Count one request of a key, or of whoever else is named, who may make `rate` a second.

    Raises RateLimited with the seconds to wait.
    """
    rate = rate or settings.RATE_LIMIT_PER_KEY
    now = time.monotonic()
    left, at = _buckets.get(caller, (float(rate), now))
    left = min(float(rate), left + (now - at) * rate)
    if left < 1:
        raise RateLimited(wait_seconds=math.ceil((1 - left) / rate))
    if len(_buckets) >= REMEMBER:
        _buckets.clear()
    _buckets[caller] = (left - 1, now)
