"""Failures of signing up and signing in that we expect."""

from llmcost.errors import AppError

WAIT_SECONDS = 60


class TooManyAttempts(AppError):
    code, status = "too_many_attempts", 429
    message = "There were too many attempts from here. Wait a minute, then try again."

    def __init__(self) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(WAIT_SECONDS)}
