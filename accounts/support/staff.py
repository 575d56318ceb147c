"""Who supports customers: made on the server's own command line and nowhere else."""

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from accounts.models import User
from accounts.support.duties import Duty


class AddressTaken(Exception):
    """Somebody else has confirmed this address."""


@dataclass(frozen=True, slots=True)
class Staff:
    """What became of the request."""

    user: User
    is_new: bool
    has_password: bool


@transaction.atomic
def make_staff(*, email: str, name: str, duties: set[Duty], password: str | None = None) -> Staff:
    """Make a user who may use the support admin, or let an existing one; never a superuser.

    `name` is for a new user; an existing one keeps theirs. `duties` take the place of those that
    the person had.
    Raises AddressTaken, and ValidationError for a weak password. The address counts as confirmed
    from here on, so a password from before it was confirmed, which anybody can have set, is void.
    """
    email = email.lower()
    if EmailAddress.objects.filter(email=email, verified=True).exclude(user__email=email).exists():
        raise AddressTaken
    user, is_new = User.objects.get_or_create(email=email, defaults={"name": name})
    address, _ = EmailAddress.objects.get_or_create(user=user, email=email)
    if password is not None:
        validate_password(password, user)
        user.set_password(password)
    elif is_new or not address.verified:
        user.set_unusable_password()
    user.is_staff = user.is_active = True
    user.is_superuser = False
    user.save()
    user.groups.set(Group.objects.filter(name__in=duties))
    address.verified = True
    address.set_as_primary()
    address.save()
    return Staff(user, is_new, user.has_usable_password())
