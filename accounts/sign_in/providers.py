"""Signing in through others: Google, GitHub, this installation's provider, an account's own.

Nobody is signed in, and no sign-in is linked, because an address matches: whoever has an account
signs in first and connects the other way on their security page. The one exception is an account's
own single sign-on, within the bounds of accounts.sso.connections.
"""

from typing import Any

import requests
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib import messages
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest
from django.shortcuts import redirect

from accounts.access import SSO
from accounts.errors import MembersLimit, SsoRefused
from accounts.models import SsoConnection, User
from accounts.sso import connections
from llmcost import clock

# Where allauth keeps a sign-up that waits for its form.
PENDING_SIGN_UP = "socialaccount_sociallogin"


class ProviderAdapter(DefaultSocialAccountAdapter):
    """allauth's sign-in through others, which keeps of each its name for the person and no more."""

    error_messages = DefaultSocialAccountAdapter.error_messages | {
        "disconnect_last": "This is your only way to sign in. Choose a password first.",
        "no_password": "This is your only way to sign in. Choose a password first.",
    }

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the apps of this installation, or the one of the account's provider asked for."""
        name = provider or ""
        if client_id and (pending := request.session.get(PENDING_SIGN_UP)):
            # Who is about to finish signing up: allauth asks for the kind of provider alone.
            name = pending["account"]["provider"]
        if name.startswith(SSO):
            connection = connections.connection_of(name)
            return [connections.app_of(connection)] if connection else []
        apps: list[SocialApp] = super().list_apps(request, provider, client_id)
        return apps

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Whom an account's owner lets in may come where nobody can open an account, too."""
        if connections.connection_of(sociallogin.account.provider):
            return True
        return bool(super().is_open_for_signup(request, sociallogin))

    def get_requests_session(self) -> requests.Session:
        """Ask providers without reaching into our own network."""
        return connections.http()

    def new_user(self, request: HttpRequest, sociallogin: SocialLogin) -> User:
        """Make the user who may sign up; their time is set, because they wait in the session."""
        return User(joined_at=clock.now())

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Any) -> User:
        """Take the name from what the provider tells; of all else keep nothing."""
        sociallogin.account.extra_data = {}
        user: User = super().populate_user(request, sociallogin, data)
        parts = (data.get("first_name"), data.get("last_name"))
        user.name = data.get("name") or " ".join(filter(None, parts))
        return user

    def get_signup_form_initial_data(self, sociallogin: SocialLogin) -> dict[str, str]:
        """Fill in what the provider told."""
        return {"name": sociallogin.user.name, "email": sociallogin.user.email}

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Forget the provider's token; let an account's provider speak for its own people only."""
        sociallogin.token = None
        connection = connections.connection_of(sociallogin.account.provider)
        if connection is None:
            return
        try:
            with transaction.atomic():
                _admit(request, connection, sociallogin)
        except (SsoRefused, MembersLimit) as refused:
            messages.error(request, refused.message)
            raise ImmediateHttpResponse(redirect("sso_start")) from None

    def save_user(
        self, request: HttpRequest, sociallogin: SocialLogin, form: BaseForm | None = None
    ) -> User:
        """Make the user; through an account's provider they join that account."""
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            if connection := connections.connection_of(sociallogin.account.provider):
                connections.admit(connection, user)
        return user


def _admit(request: HttpRequest, connection: SsoConnection, sociallogin: SocialLogin) -> None:
    if sociallogin.state.get("process") == AuthProcess.CONNECT:
        raise SsoRefused("Single sign-on is no way to add to a person's account.")
    email = sociallogin.user.email.lower()
    if sociallogin.is_existing:
        connections.admit(connection, sociallogin.user)
        return
    user = connections.find_user(connection, email)
    connections.admit(connection, user)
    if user is not None:
        if SocialAccount.objects.filter(user=user, provider=connection.provider).exists():
            raise SsoRefused("Your provider knows you by another number than before.")
        sociallogin.connect(request, user)
    for address in sociallogin.email_addresses:
        address.verified = True  # the account's own provider is who gives these addresses out
