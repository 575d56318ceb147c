"""Single sign-on of an account: whose provider an address belongs to, and whom it lets in.

Whoever runs an account's provider can say to be anybody. So a provider is believed about addresses
of its account's domains only, an account may claim only a domain in which one of its leaders has a
confirmed address, and a session that came this way opens that account and no other
(accounts.access).
"""

from dataclasses import dataclass
from uuid import UUID

import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.access import SSO
from accounts.errors import SsoRefused
from accounts.models import Account, Membership, Role, SsoConnection, SsoDomain, User
from accounts.team.conditions import require_room
from llmcost.tenancy.context import presenting_sso, tenant
from llmcost.vault import seal, unseal
from llmcost.web import outgoing

# Nobody's own: whoever has an address there speaks for nobody else's.
SHARED_DOMAINS = frozenset({
    "163.com", "aol.com", "fastmail.com", "gmail.com", "gmx.de", "gmx.net", "googlemail.com",
    "hey.com", "hotmail.com", "icloud.com", "live.com", "mail.com", "me.com", "msn.com",
    "outlook.com", "proton.me", "protonmail.com", "qq.com", "t-online.de", "tutanota.com",
    "web.de", "yahoo.com", "yandex.com", "zoho.com",
})  # fmt: skip
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class SsoSettings:
    """What an owner sets up; an empty secret keeps the one that is stored."""

    issuer: str
    client_id: str
    client_secret: str
    domains: list[str]
    default_role: str
    required: bool


# --- Reading ---------------------------------------------------------------------------------
def provider_name(account: Account) -> str:
    """Name an account's provider in addresses, before and after it is set up."""
    return f"{SSO}{account.public_id}"


def logins_of(public_id: UUID) -> QuerySet[SocialAccount]:
    """Return by which numbers an account's provider knows people, wherever else they belong."""
    return SocialAccount.objects.filter(provider=f"{SSO}{public_id}")


def connection_of(provider: str) -> SsoConnection | None:
    """Return the connection of that name, whoever asks."""
    if not provider.startswith(SSO):
        return None
    with presenting_sso(provider):
        return SsoConnection.objects.filter(provider=provider).first()


def connection_for(email: str) -> SsoConnection | None:
    """Return through whose provider an address signs in; it says nothing about the person."""
    domain = email.rpartition("@")[2].lower()
    with presenting_sso(domain):
        found = SsoDomain.objects.filter(domain=domain).first()
    if found is None:
        return None
    with tenant(found.account_id):
        return SsoConnection.objects.filter(account_id=found.account_id).first()


def domains_of(account_id: int) -> list[str]:
    """Return an account's domains, inside its context."""
    domains = SsoDomain.objects.filter(account_id=account_id).order_by("domain")
    return list(domains.values_list("domain", flat=True))


def app_of(connection: SsoConnection) -> SocialApp:
    """Return the connection as allauth's OpenID Connect code takes it."""
    return SocialApp(
        provider="openid_connect",
        provider_id=connection.provider,
        name="single sign-on",
        client_id=connection.client_id,
        secret=unseal(connection.client_secret),
        settings={"server_url": connection.issuer},
    )


def http() -> requests.Session:
    """Return the session with which providers are asked."""
    return outgoing.session(private=settings.SSO_PRIVATE_NETWORK)


def check_issuer(issuer: str) -> str | None:
    """Ask an issuer for its description; return what is wrong with it, None if nothing is."""
    try:
        with http() as asking:
            answer = asking.get(issuer.rstrip("/") + DISCOVERY)
        description = answer.json() if answer.status_code == requests.codes.ok else None
    except (requests.RequestException, OSError):
        description = None
    if not isinstance(description, dict):
        return "There is no OpenID Connect provider at this address that we can reach."
    if str(description.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        return "The provider there says that it is another issuer. Enter it exactly as it does."
    if missing := [name for name in ENDPOINTS if not isinstance(description.get(name), str)]:
        return f"The provider there does not name its {', '.join(missing)}."
    return None


def foreign_domains(account: Account, domains: list[str]) -> list[str]:
    """Return those domains in which no owner or admin of the account has a confirmed address."""
    leaders = Membership.objects.filter(
        account_id=account.pk, role__in=[Role.OWNER, Role.ADMIN]
    ).values_list("user_id", flat=True)
    addresses = EmailAddress.objects.filter(user_id__in=list(leaders), verified=True)
    own = {email.rpartition("@")[2].lower() for email in addresses.values_list("email", flat=True)}
    return [domain for domain in domains if domain not in own or domain in SHARED_DOMAINS]


# --- Writing ---------------------------------------------------------------------------------
def save(account: Account, wanted: SsoSettings, *, by: User) -> SsoConnection:
    """Set up or change an account's single sign-on, inside its context.

    Raises IntegrityError if another account has one of the domains.
    """
    with transaction.atomic():
        changes = {
            "provider": provider_name(account),
            "issuer": wanted.issuer.rstrip("/"),
            "client_id": wanted.client_id,
            "default_role": wanted.default_role,
        }
        if wanted.client_secret:
            changes["client_secret"] = seal(wanted.client_secret)
        connection, _ = SsoConnection.objects.update_or_create(
            account_id=account.pk, defaults=changes
        )
        SsoDomain.objects.filter(account_id=account.pk).delete()
        SsoDomain.objects.bulk_create(
            SsoDomain(account_id=account.pk, domain=domain) for domain in wanted.domains
        )
        account.sso_required = wanted.required
        account.save(update_fields=["sso_required"])
        audit.record(
            account.pk,
            "sso.saved",
            by=by,
            subject=connection.issuer[:200],
            required=wanted.required,
            default_role=wanted.default_role,
        )
    return connection


def remove(account: Account, *, by: User) -> None:
    """Remove an account's single sign-on, inside its context; its members use their other ways."""
    with transaction.atomic():
        SsoConnection.objects.filter(account_id=account.pk).delete()
        SsoDomain.objects.filter(account_id=account.pk).delete()
        SocialAccount.objects.filter(provider=provider_name(account)).delete()
        account.sso_required = False
        account.save(update_fields=["sso_required"])
        audit.record(account.pk, "sso.removed", by=by)


def find_user(connection: SsoConnection, email: str) -> User | None:
    """Return the person with a confirmed address, if the connection may speak for that address.

    Raises SsoRefused if it may not.
    """
    with tenant(connection.account_id):
        domains = domains_of(connection.account_id)
    if email.rpartition("@")[2].lower() not in domains:
        raise SsoRefused("Your provider gave an address outside the domains of this account.")
    address = EmailAddress.objects.filter(email__iexact=email, verified=True).first()
    return address.user if address else None


@transaction.atomic
def admit(connection: SsoConnection, user: User | None) -> None:
    """Make sure that a person may come in: a member, or one who becomes it now.

    `user` is None for somebody who is yet to be made. Raises SsoRefused, MembersLimit.
    """
    account_id, role = connection.account_id, connection.default_role
    with tenant(account_id):
        if user and Membership.objects.filter(account_id=account_id, user_id=user.pk).exists():
            return
        account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
        if not role:
            raise SsoRefused("You are not a member of this account. Ask its owner to invite you.")
        if account.closed_at:
            raise SsoRefused("This account is closed, so that nobody new can join it.")
        require_room(account_id)
        if user:
            Membership.objects.create(account=account, user=user, role=role)
            audit.record(account_id, "member.joined_by_sso", by=user, role=role)
