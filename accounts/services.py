"""Every write to an account as a whole: opening, closing, reopening."""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now
from django.dispatch import Signal

from accounts import audit
from accounts.errors import PurgeBegun
from accounts.models import Account, Membership, Role, User
from accounts.rights import Right
from accounts.team.conditions import lock_account
from accounts.team.invitations import withdraw_open_invitations
from llmcost import outbox
from llmcost.tenancy.context import tenant

# Sent inside the transaction that opens an account, with `account` and `user`: later apps add
# what a new account starts with.
account_opened = Signal()
# Sent inside the transaction that closes or reopens one, with `account` and `user`: the signal to
# cancel a subscription, to plan a deletion, to call both off.
account_closed = Signal()
account_reopened = Signal()

# How long a closed account can be reopened, and keeps what it holds; the privacy policy says so.
KEPT_AFTER_CLOSING = timedelta(days=30)


@transaction.atomic
def open_account(*, user: User, company: str) -> Account:
    """Open a company's account with this user as its owner, all or nothing."""
    account_id = _next_account_id()
    with tenant(account_id):
        account = Account.objects.create(pk=account_id, name=company)
        Membership.objects.create(account=account, user=user, role=Role.OWNER)
        audit.record(account_id, "account.opened", by=user)
        account_opened.send(Account, account=account, user=user)
    return account


@transaction.atomic
def rename_account(account_id: int, *, name: str, by: User) -> None:
    """Correct the company's name. Raises MissingRight for anybody but the owner."""
    lock_account(account_id, by=by, right=Right.OWN_ACCOUNT)
    if Account.objects.filter(pk=account_id).exclude(name=name).update(name=name):
        audit.record(account_id, "account.renamed", by=by)


@transaction.atomic
def close_account(account_id: int, *, by: User) -> bool:
    """Close an account for good, unless it is reopened within 30 days; False if it was closed.

    From now on its keys are refused, its pages are read-only and its invitations are withdrawn.
    Raises MissingRight for anybody but the owner.
    """
    lock_account(account_id, by=by, right=Right.OWN_ACCOUNT)
    # By the database's clock, with which reopening and the purge compare it.
    closed = Account.objects.filter(pk=account_id, closed_at=None).update(
        closed_at=Now(), purge_due_at=Now() + KEPT_AFTER_CLOSING
    )
    if not closed:
        return False
    account = Account.objects.get(pk=account_id)
    withdraw_open_invitations(account_id, by=by)
    audit.record(account_id, "account.closed", by=by)
    account_closed.send(Account, account=account, user=by)
    _tell_owners("accounts/email/closed", account)
    return True


@transaction.atomic
def reopen_account(account_id: int, *, by: User) -> bool:
    """Make a closed account work again, as it was; False if it is open.

    Raises PurgeBegun when its 30 days are over, MissingRight for anybody but the owner.
    """
    lock_account(account_id, by=by, right=Right.OWN_ACCOUNT)
    closed = Account.objects.filter(pk=account_id, closed_at__isnull=False)
    if not closed.filter(purge_due_at__gt=Now()).update(closed_at=None, purge_due_at=None):
        if closed.exists():
            raise PurgeBegun
        return False
    account = Account.objects.get(pk=account_id)
    audit.record(account_id, "account.reopened", by=by)
    account_reopened.send(Account, account=account, user=by)
    _tell_owners("accounts/email/reopened", account)
    return True


def _tell_owners(template: str, account: Account) -> None:
    owners = Membership.objects.filter(account_id=account.pk, role=Role.OWNER)
    for owner in owners.select_related("user"):
        outbox.post(
            template,
            owner.user.email,
            {"name": owner.user.name, "company": account.name, "account": account},
            account_id=account.pk,
        )


def _next_account_id() -> int:
    # Row security lets an account write only its own row, so the id has to be known before.
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('accounts_account_id_seq')")
        return cursor.fetchone()[0]
