"""Failures of projects and keys that we expect."""

from llmcost.errors import AppError


class InvalidSignature(AppError):
    code, status = "invalid_signature", 401
    message = (
        "The signature is missing or does not match the body, or no key with this identifier is"
        " trusted here."
    )


class TooManyKeys(AppError):
    code, status = "too_many_keys", 409

    def __init__(self, most: int) -> None:
        super().__init__(
            f"A project has at most {most} keys that work. Revoke those that nobody uses."
        )


class TooManyProjects(AppError):
    code, status = "too_many_projects", 409

    def __init__(self, most: int) -> None:
        super().__init__(f"An account has at most {most} projects.")


class KeyIsOver(AppError):
    code, status = "key_is_over", 409

    def __init__(self, hint: str) -> None:
        super().__init__(
            f"Key {hint} was replaced, revoked or has expired. Make a new one instead."
        )
