"""Our own staff, for tests: with a duty, a second factor, and signed in with it."""

import time
from types import SimpleNamespace

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User


def employ(email: str, name: str, *duties: str) -> SimpleNamespace:
    """Make somebody of our staff who has signed in with password and authenticator app."""
    user = User.objects.create_user(email, "correct horse battery", name=name, is_staff=True)
    user.emailaddress_set.create(email=email, verified=True, primary=True)
    user.groups.set(Group.objects.filter(name__in=duties))
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    client = Client()
    client.force_login(user)
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "email": email},
        {"method": "mfa", "at": time.time(), "type": "totp"},
    ]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return SimpleNamespace(user=user, client=client)
