"""What follows when somebody signs in or changes how they do: a line in the trail of every account
they belong to, and other sessions that end.

allauth does the acts themselves and tells of them by signals; each receiver here is one of those.
"""

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.signals import (
    email_changed,
    password_changed,
    password_reset,
    password_set,
    user_logged_in,
)
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import audit
from accounts.access import SSO_ACCOUNT
from accounts.models import Membership, User
from accounts.sign_in.sessions import SIGNED_IN_AT, SIGNED_IN_BY, end_sessions
from accounts.sso.connections import connection_of
from llmcost import clock
from llmcost.tenancy.context import signed_in, tenant

# How a step of signing in is called, by allauth's method or its kind of second factor.
WAYS = {
    "password": "password",
    "password_reset": "link by mail",
    "email": "link by mail",
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.RECOVERY_CODES: "recovery code",
    Authenticator.Type.WEBAUTHN: "passkey",
}
PROVIDERS = {"google": "Google", "github": "GitHub"}


def note(user: User, action: str, **details: Any) -> None:
    """Write a line into the trail of every account that a person belongs to."""
    with signed_in(user.pk):
        memberships = Membership.objects.filter(user_id=user.pk)
        accounts = list(memberships.order_by("account_id").values_list("account_id", flat=True))
    for account_id in accounts:
        with tenant(account_id):
            audit.record(account_id, action, by=user, **details)


def way_of(request: HttpRequest, user: User) -> str:
    """Say how somebody has just signed in: "password, authenticator app"."""
    steps = [
        WAYS.get(record.get("type", ""))
        or WAYS.get(record["method"])
        or provider_label(record.get("provider", record["method"]))
        for record in get_authentication_records(request, user)
    ]
    return ", ".join(dict.fromkeys(steps))


def provider_label(provider: str) -> str:
    """Say what a provider is called on pages and in the trail."""
    return PROVIDERS.get(provider, "single sign-on")


@receiver(user_logged_in)
def _signed_in(
    request: HttpRequest, user: User, sociallogin: SocialLogin | None = None, **_: Any
) -> None:
    way = way_of(request, user)
    provider = sociallogin.account.provider if sociallogin else ""
    if connection := connection_of(provider):
        request.session[SSO_ACCOUNT] = connection.account_id
    request.session[SIGNED_IN_AT] = clock.now().isoformat()
    request.session[SIGNED_IN_BY] = way
    note(user, "member.signed_in", by_way_of=way)


@receiver(password_changed)
@receiver(password_set)
def _password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    # Django gives this session a new key, and would not take the others any more; end them.
    end_sessions(user, but=request.session.session_key)
    note(user, "member.password_changed")


@receiver(password_reset)
def _password_reset(user: User, **_: Any) -> None:
    end_sessions(user)
    note(user, "member.password_reset")


@receiver(email_changed)
def _email_changed(user: User, **_: Any) -> None:
    note(user, "member.email_changed")


@receiver(authenticator_added)
def _factor_added(user: User, authenticator: Authenticator, **_: Any) -> None:
    note(user, "member.factor_added", factor=_name(authenticator))


@receiver(authenticator_removed)
def _factor_removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    note(user, "member.factor_removed", factor=_name(authenticator))


@receiver(authenticator_reset)
def _factor_reset(user: User, **_: Any) -> None:
    note(user, "member.recovery_codes_renewed")


@receiver(social_account_added)
def _provider_added(sociallogin: SocialLogin, **_: Any) -> None:
    way = provider_label(sociallogin.account.provider)
    note(sociallogin.user, "member.provider_added", way=way)


@receiver(social_account_removed)
def _provider_removed(request: HttpRequest, socialaccount: SocialAccount, **_: Any) -> None:
    way = provider_label(socialaccount.provider)
    note(socialaccount.user, "member.provider_removed", way=way)
    request.session.cycle_key()


def _name(authenticator: Authenticator) -> str:
    return WAYS[Authenticator.Type(authenticator.type)]
