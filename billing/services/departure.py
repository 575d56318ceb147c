"""What becomes of a customer at Stripe when its account here is gone."""

from billing.errors import StripeUnavailable
from billing.models import DepartedCustomer
from billing.stripe import checkout, mirror


def delete_departed() -> int:
    """Have Stripe delete the customers whose accounts are gone; return how many are.

    Our copy goes first, whether or not Stripe answers. While Stripe is away they stay noted.
    """
    gone = 0
    for departed in DepartedCustomer.objects.order_by("since"):
        mirror.forget_customer(departed.customer_id)
        try:
            checkout.delete_customer(departed.customer_id)
        except StripeUnavailable:
            return gone
        departed.delete()
        gone += 1
    return gone
