"""The first account of an installation that takes no sign-ups, made on its own command line."""

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from accounts.models import User
from accounts.services import open_account
from accounts.support.staff import AddressTaken


@transaction.atomic
def make_owner(*, email: str, name: str, company: str, password: str | None = None) -> User:
    """Make a user and their company's account; the address counts as confirmed.

    Raises AddressTaken for an address that somebody has, and ValidationError for a weak password.
    Without one they choose it by the link for a forgotten password.
    """
    email = email.lower()
    taken = EmailAddress.objects.filter(email=email, verified=True).exists()
    if taken or User.objects.filter(email=email).exists():
        raise AddressTaken
    user = User(email=email, name=name)
    if password is not None:
        validate_password(password, user)
    user = User.objects.create_user(email, password, name=name)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    open_account(user=user, company=company)
    return user
