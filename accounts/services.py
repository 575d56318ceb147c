"""Every write to people and companies."""

from django.db import connection, transaction
from django.dispatch import Signal

from accounts import audit
from accounts.models import Account, Membership, Role, User
from llmcost.tenancy.context import tenant

# Sent inside the transaction that opens an account, with `account` and `user`: later apps add
# what a new account starts with.
account_opened = Signal()


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


def _next_account_id() -> int:
    # Row security lets an account write only its own row, so the id has to be known before.
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('accounts_account_id_seq')")
        return cursor.fetchone()[0]
