"""Failures of buying and paying that we expect."""

from llmcost.errors import AppError


class StripeUnavailable(AppError):
    code, status = "payment_unavailable", 503
    message = (
        "Stripe, which takes our payments, cannot be reached just now. Nothing was charged twice"
        " and nothing is lost: try again in a few minutes. Your dashboards, keys and incoming"
        " events work as always."
    )
    headers = {"Retry-After": "60"}


class NothingToBuy(AppError):
    code, status = "not_sold_here", 404
    message = "Nothing is sold on this installation: no payment is set up."


class CardDeclined(AppError):
    """The bank said no. Stripe's own words for it may be shown to the card's holder."""

    code, status = "card_declined", 402
    message = "Your bank declined the card. Nothing was charged: try another card."


class CardNotUsable(AppError):
    code, status = "card_not_confirmed", 409
    message = "The card has not been confirmed. Enter it once more."


class TaxIdRefused(AppError):
    code, status = "tax_id_refused", 422
    message = "This is not a VAT id of that country. Check it, or leave it out."


class PaymentFailing(AppError):
    code, status = "payment_failing", 409
    message = (
        "Your last payment has failed, so the plan cannot be changed now. Settle it with a card"
        " that works, then choose the plan again."
    )


class PlanNotPossible(AppError):
    code, status = "plan_not_possible", 409
    message = "Your plan has changed meanwhile. Look at it again before you choose another."
