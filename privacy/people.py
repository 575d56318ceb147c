"""Forgetting a person: who belongs to no account any more, who asks for it, who is under 16."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import CASCADE, Model

from accounts import audit
from accounts.models import Account, Actor, Membership, User
from accounts.services import account_closed
from accounts.team.members import leave
from llmcost import clock
from llmcost.errors import NotFound
from llmcost.tenancy.context import signed_in, tenant
from privacy import receipts, tombstones
from privacy.correspondence import services as letters
from privacy.errors import WrongState
from privacy.models import DataRequest, Kind
from privacy.plan import tables
from privacy.requests import services as requests
from privacy.tombstones import TombstoneLine

# How the addresses end that stand in the place of those who were forgotten.
NOBODY = "@deleted.invalid"


@transaction.atomic
def forget_if_alone(user: User, *, is_again: bool = False) -> bool:
    """Forget a person who belongs to no account any more; say whether that was so."""
    if user.is_staff:
        return False
    with signed_in(user.pk):
        if Membership.objects.filter(user_id=user.pk).exists():
            return False
    forget(user, is_again=is_again)
    return True


@transaction.atomic
def forget_on_request(user: User) -> None:
    """Take a person out of all their accounts and forget them, because they ask for it themselves.

    Raises OwnerStays while an account is theirs, NotFound for our staff.
    """
    if user.is_staff:
        raise NotFound("An address of our staff is deleted by whoever employs it.")
    for account_id in _accounts_of(user):
        with tenant(account_id):
            leave(account_id, user=user)
    forget(user)


@transaction.atomic
def forget(user: User, *, is_again: bool = False) -> None:
    """Delete what belongs to a person alone: addresses, second factors, sessions, letters.

    `is_again` after a restore, where the tombstone is there already.

    The row itself is emptied and stays: rows of companies that the person has left, which nobody
    can see from here, may still refer to its number, and a number is nobody.
    """
    letters.erase_threads_of(user.email)
    of_accounts = {table.name for table in tables()}
    for relation in User._meta.related_objects:
        model = relation.related_model
        if model._meta.db_table in of_accounts or relation.many_to_many:
            continue
        rows = model._base_manager.filter(**{relation.field.name: user.pk})
        if relation.on_delete is CASCADE:
            rows.delete()
        else:
            rows.update(**{relation.field.name: None})
    user.groups.clear()
    user.user_permissions.clear()
    user.name, user.email = "", f"{secrets.token_hex(16)}{NOBODY}"
    user.set_unusable_password()
    user.is_active = False
    user.last_login = user.accepted_policy_at = None
    user.accepted_policy_version = user.accepted_terms_version = ""
    user.save()
    if not is_again:
        _bury(user)


@transaction.atomic
def forget_again(reference: str) -> bool:
    """Forget whom a restored backup brought back; say whether there was such a person.

    They leave every account, whatever they were there when the backup was made.
    """
    for user in User.objects.exclude(email__endswith=NOBODY).iterator():
        if _reference(user) == reference:
            _take_out(user)
            forget(user, is_again=True)
            return True
    return False


def _bury(user: User) -> None:
    """Remember outside the database that this person is forgotten: last, when all else worked."""
    reference = _reference(user)
    line = TombstoneLine(
        id=receipts.reference("forgotten", reference),
        scope="person",
        at=clock.now().isoformat(),
        account="",
        user=reference,
    )
    tombstones.bury(line)
    tombstones.mark_applied(line.id)


def _reference(user: User) -> str:
    # The number alone would not do: after a restore it may be given to somebody else.
    return receipts.reference("person", user.pk, user.joined_at.isoformat())


@transaction.atomic
def delete_child(request: DataRequest, email: str, *, by: User) -> None:
    """Delete the person who was reported, with sign-in, memberships and letters.

    An account of which nobody else is a member is closed and due for purge at once. Raises
    NotFound if nobody has this address, WrongState for a request that reports nobody.
    """
    if request.kind != Kind.CHILD or request.closed_at is not None:
        raise WrongState(request.get_state_display(), "used to delete somebody")
    user = User.objects.filter(email=email.strip().lower()).first()
    if user is None or user.is_staff:
        raise NotFound("Nobody has an account with this address.")
    _take_out(user)
    forget(user)
    requests.note_deletion(request, by=by)


def _accounts_of(user: User) -> list[int]:
    with signed_in(user.pk):
        return list(Membership.objects.filter(user_id=user.pk).values_list("account_id", flat=True))


def _take_out(user: User) -> None:
    for account_id in _accounts_of(user):
        with tenant(account_id):
            _leave(account_id, user)


def _leave(account_id: int, user: User) -> None:
    """Take a person out of every row of an account that names them."""
    is_alone = not Membership.objects.filter(account_id=account_id).exclude(user=user).exists()
    for relation in User._meta.get_fields(include_hidden=True):
        if not relation.one_to_many or "account" not in _fields(relation.related_model):
            continue
        rows = relation.related_model._base_manager.filter(account_id=account_id)
        rows = rows.filter(**{relation.field.name: user})
        if relation.on_delete is CASCADE:
            rows.delete()
        else:
            rows.update(**{relation.field.name: None})
    if is_alone:
        account = Account.objects.get(pk=account_id)
        now = clock.now()
        account.closed_at = account.closed_at or now
        account.purge_due_at = max(now, account.closed_at + timedelta(seconds=1))
        account.save(update_fields=["closed_at", "purge_due_at"])
        account_closed.send(Account, account=account, user=None)
        audit.record(account_id, "account.closed_under_16", by=None, actor=Actor.SUPPORT)


def _fields(model: type[Model]) -> set[str]:
    return {field.name for field in model._meta.fields}
