"""Failures of signing up and signing in that we expect."""

from llmcost.errors import AppError

WAIT_SECONDS = 60


class TooManyAttempts(AppError):
    code, status = "too_many_attempts", 429
    message = "There were too many attempts from here. Wait a minute, then try again."

    def __init__(self) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(WAIT_SECONDS)}


class MissingRight(AppError):
    code, status = "missing_right", 403

    def __init__(self, role: str, right: str) -> None:
        super().__init__(
            f"Your role ({role}) does not include this: {right}. Ask the owner of the account."
        )


class AccountReadOnly(AppError):
    code, status = "account_read_only", 403

    def __init__(self, *, closed: bool) -> None:
        super().__init__(
            "This account is closed: you can look and export, but not change anything. Its owner"
            " can reopen it."
            if closed
            else "A payment has failed for too long: you can look and export, but not change"
            " anything until it is settled under Billing."
        )


class SupportMayOnlyLook(AppError):
    code, status = "support_may_only_look", 403
    message = (
        "You look at a customer's pages under their grant: what calls cost can be read, and"
        " nothing can be changed. Leave the customer's pages to work on your own."
    )
