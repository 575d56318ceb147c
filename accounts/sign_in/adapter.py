"""Where our rules differ from django-allauth's defaults."""

import logging
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from django.conf import settings
from django.core.mail import EmailMessage
from django.forms import BaseForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.access import is_fresh
from accounts.models import User
from accounts.services import open_account

logger = logging.getLogger(__name__)

# Nobody wrote these mails, so no out-of-office reply should answer them.
AUTOMATIC = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
# Of allauth's messages these say what the page does not.
MESSAGES = {
    "account/messages/email_confirmed.txt",
    "account/messages/email_confirmation_failed.txt",
    "account/messages/email_confirmation_sent.txt",
    "account/messages/email_deleted.txt",
    "account/messages/password_changed.txt",
    "account/messages/password_set.txt",
    "mfa/messages/totp_activated.txt",
    "mfa/messages/totp_deactivated.txt",
    "mfa/messages/webauthn_added.txt",
    "mfa/messages/webauthn_removed.txt",
    "socialaccount/messages/account_connected.txt",
    "socialaccount/messages/account_connected_other.txt",
    "socialaccount/messages/account_disconnected.txt",
}
# The ways to prove that it is still them, in the order in which they are offered.
REAUTHENTICATION = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code",
    "mfa_reauthenticate:webauthn": "Use a passkey",
}


class AccountAdapter(DefaultAccountAdapter):
    """Links from PUBLIC_URL alone, redirects to our own pages alone, our own words."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "The e-mail address or the password is wrong.",
        "too_many_login_attempts": "Too many wrong passwords. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Let nobody open an account unasked where a company runs this for itself."""
        return not settings.SELF_HOSTED

    def save_user(
        self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True
    ) -> User:
        """Make the user and open the company's account, in the transaction of the sign-up form.

        Who signs up by an invitation, or through single sign-on, is asked for no company
        and gets no account of their own.
        """
        user.name = form.cleaned_data["name"]
        super().save_user(request, user, form, commit)
        if "company" in form.cleaned_data:
            open_account(user=user, company=form.cleaned_data["company"])
        return user

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail; a mail server that is away fails the mail and not the page.

        The page says how to have the mail sent again, so that nobody is stuck.
        """
        ours = {
            name: _on_public_url(value) if name.endswith("_url") else value
            for name, value in context.items()
        }
        ours |= {"email": email, "public_url": settings.PUBLIC_URL}
        message: EmailMessage = self.render_mail(template_prefix, email, ours, headers=AUTOMATIC)
        try:
            message.send()
        except (SMTPException, OSError):
            logger.exception("mail_not_sent", extra={"mail": template_prefix})

    def is_reauthentication_required(self, *, app: str, **_: Any) -> bool:
        """Ask again only if neither a sign-in nor such a question was a short while ago."""
        return not is_fresh(context.request, person=True)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, str]]:
        """Return the ways to prove that it is still them, which this person has."""
        ways = super().get_reauthentication_methods(user)
        for way in ways:
            way["description"] = REAUTHENTICATION[way["id"]]
        return sorted(ways, key=lambda way: list(REAUTHENTICATION).index(way["id"]))

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Lead from a new password back to the profile."""
        return reverse("accounts:profile")

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Tell of a change that matters for security, without allauth's address and browser."""
        address = email or EmailAddress.objects.get_primary_email(user) or user.email
        self.send_mail(template_prefix, address, {"user": user, **(context or {})})

    def format_email_subject(self, subject: str) -> str:
        return subject

    def is_safe_url(self, url: str) -> bool:
        """Take paths of this site only: whatever names a host or a scheme is refused."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        *args: Any,
        message: str | None = None,
        **kwargs: Any,
    ) -> None:
        if message or message_template in MESSAGES:
            super().add_message(request, level, message_template, *args, message=message, **kwargs)

    def _get_login_attempts_cache_key(self, _request: HttpRequest, **credentials: Any) -> str:
        # allauth's own key contains the Host header: each spelling of it would be a new allowance.
        return str(credentials.get("email", "")).lower()


def _on_public_url(url: str) -> str:
    """Put a link that was made from the Host header onto the address that we are known by."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{settings.PUBLIC_URL}{parts.path}{query}"
