"""Reads that are more than one filter."""

from billing.models import InboxStatus, StripeEvent


def stripe_events_given_up() -> str:
    """Say how many of Stripe's announcements could not be followed; empty if all could."""
    count = StripeEvent.objects.filter(status=InboxStatus.FAILED).count()
    return f"{count} of Stripe's announcements could not be followed" if count else ""
