"""Failures that we expect of requests and letters."""

from llmcost.errors import AppError


class LinkInvalid(AppError):
    code, status = "link_invalid", 410
    message = (
        "This link has been used, or it is older than a day. Send your request again to get a new"
        " one."
    )


class IdentityMissing(AppError):
    code, status = "identity_missing", 409
    message = "Nobody has confirmed yet that it is they who ask, so nothing may be told or done."


class WrongState(AppError):
    code, status = "wrong_state", 409

    def __init__(self, state: str, wanted: str) -> None:
        super().__init__(f"This request is {state}, so it cannot be {wanted}.")


class SignatureInvalid(AppError):
    code, status = "signature_invalid", 401
    message = "The signature is missing or wrong, or it is older than five minutes."


class NoMail(AppError):
    code, status = "no_mail", 422
    message = "This is not a mail: it names no sender that could be answered."
