"""Failures of people and accounts that we expect."""

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


class OtherAccount(AppError):
    code, status = "other_account", 409
    message = (
        "This page was opened in another account than the one you work in now, so nothing was"
        " changed. Switch back, or open the page again."
    )
    # A page that asks for news by itself is loaded anew, so that it shows one account's figures.
    headers = {"HX-Refresh": "true"}


class NotAMember(AppError):
    code, status = "not_a_member", 404
    message = "This person is not a member of the account any more."


class AlreadyMember(AppError):
    code, status = "already_member", 409
    message = "Whoever has this address is a member already."


class AlreadyInvited(AppError):
    code, status = "already_invited", 409
    message = "This address has an open invitation. You can send it again, or withdraw it."


class MembersLimit(AppError):
    code, status = "members_limit", 409

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The plan of this account has room for {limit} member{'' if limit == 1 else 's'},"
            " open invitations included. Remove somebody, or change the plan."
        )


class TooManyInvitations(AppError):
    code, status = "too_many_invitations", 429
    message = "Many invitations were sent within a day. Wait until tomorrow, then send more."


class OwnerStays(AppError):
    code, status = "owner_stays", 409
    message = (
        "The owner cannot leave, be removed or be given another role: an account always has one."
        " Transfer the ownership first, or close the account."
    )


class InvitationOver(AppError):
    code, status = "invitation_over", 410


class ForAnotherAddress(AppError):
    code, status = "for_another_address", 403

    def __init__(self, *, invited: str, own: str) -> None:
        super().__init__(
            f"This invitation is for {invited}; you are signed in as {own}. Sign out and open the"
            " link again, or ask for an invitation to your address."
        )


class PurgeBegun(AppError):
    code, status = "purge_begun", 409
    message = "The 30 days are over and the deletion has begun: this account cannot be reopened."


class SsoRefused(AppError):
    code, status = "sso_refused", 403
