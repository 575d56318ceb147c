"""How Stripe is asked: one client, set up once, patient for seconds and no longer.

Nothing but payment may wait for it: sign-in, ingest and dashboards never come here.
"""

from functools import cache
from types import ModuleType

from django.conf import settings

TIMEOUT_SECONDS = 20
# Stripe's client repeats with the same idempotency key, so a repeat changes nothing.
RETRIES = 1


def is_on() -> bool:
    """Whether this installation sells anything."""
    return bool(settings.STRIPE_SECRET_KEY) and not settings.SELF_HOSTED


@cache
def api() -> ModuleType:
    """Return the `stripe` module, ready to be asked: `api().Customer.create(…)`.

    Imported when first needed: half of what a web process would spend at its start.
    """
    import stripe  # noqa: PLC0415 - see above

    stripe.api_key = settings.STRIPE_SECRET_KEY
    stripe.api_base = settings.STRIPE_API_HOST
    stripe.max_network_retries = RETRIES
    stripe.default_http_client = stripe.RequestsClient(timeout=TIMEOUT_SECONDS)
    stripe.enable_telemetry = False  # no timings of our requests for Stripe
    return stripe
