"""What we hold of people and companies."""

from dataclasses import replace

from llmcost.inventory import (
    HELD_BY,
    Basis,
    Category,
    Declared,
    Inventory,
    Recipient,
    Retention,
    Subject,
    columns,
    described,
    technical,
)


def _member(category: Category, purpose: str) -> Declared:
    # Their address, and the name in a greeting, are what a mail to them carries.
    mailed = category in (Category.CONTACT, Category.IDENTITY)
    recipients = (*HELD_BY, Recipient.MAIL) if mailed else HELD_BY
    return Declared(category, Subject.MEMBER, purpose, Basis.CONTRACT, Retention.MEMBER, recipients)


_COMPANY = Declared(
    Category.IDENTITY, Subject.CUSTOMER, "name of the account", Basis.CONTRACT, Retention.ACCOUNT
)
_SESSION = Declared(
    Category.SESSION, Subject.MEMBER, "staying signed in", Basis.CONTRACT, Retention.SESSION
)
_SUPPORT = Declared(
    Category.ACTIVITY,
    Subject.STAFF,
    "what our staff did and looked at",
    Basis.LEGITIMATE_INTEREST,
    Retention.ALWAYS,
)
_FACTOR = _member(Category.CREDENTIAL, "second factors (secrets sealed, passkeys' public keys)")
_FRAMEWORK = "the framework's groups and permissions"

INVENTORY: Inventory = {
    "accounts_user": {
        **columns("id", _member(Category.IDENTITY, "telling people apart")),
        **columns("name", _member(Category.IDENTITY, "so that a team knows who is who")),
        **columns("email", _member(Category.CONTACT, "signing in, and mails that were asked for")),
        **columns("password", _member(Category.CREDENTIAL, "signing in (Argon2 hash)")),
        **columns("is_active is_staff is_superuser", _member(Category.SETTING, "rights")),
        **columns("joined_at last_login", _member(Category.ACTIVITY, "security of the account")),
        **columns(
            "accepted_policy_version accepted_terms_version accepted_policy_at",
            _member(Category.ACTIVITY, "proof of what was accepted at sign-up"),
        ),
    },
    "accounts_account": {
        **described(
            _COMPANY,
            id="number of the account",
            public_id="its random name in addresses and receipts",
            name="name of the company",
            created_at="when it was opened",
        ),
        **described(
            Declared(
                Category.ACTIVITY,
                Subject.CUSTOMER,
                "what state the account is in",
                Basis.CONTRACT,
                Retention.ACCOUNT,
            ),
            closed_at="when its owner closed it",
            purge_due_at="when everything of it is deleted",
            suspended_at="since when it is read-only, because a payment failed",
            sso_required="whether only its own single sign-on opens it",
        ),
    },
    "accounts_auditevent": described(
        Declared(
            Category.ACTIVITY,
            Subject.MEMBER,
            "audit trail of the account",
            Basis.LEGITIMATE_INTEREST,
            Retention.ACCOUNT,
        ),
        id="number of the entry",
        account_id="number of the account",
        at="when it happened",
        actor="who acted: a member, our support, a key, or the system",
        user_id="number of the person who acted",
        action="what was done",
        subject="what it was done to: the hint of a key, the name of a project, a number",
        member_id="number of the person it was done to",
        details="small facts: a role, a plan, a count",
    ),
    "accounts_supportgrant": described(
        Declared(
            Category.ACTIVITY,
            Subject.MEMBER,
            "leave for our support to look",
            Basis.CONTRACT,
            Retention.ACCOUNT,
        ),
        id="number of the grant",
        account_id="number of the account",
        reason="what for",
        granted_by_id="number of the person who gave it",
        granted_at="when it was given",
        ends_at="when it ends by itself",
        ended_at="when it ended",
    ),
    "accounts_staffact": {
        **described(
            _SUPPORT,
            id="number of the act",
            at="when it was",
            staff_id="number of the person of our staff",
            account_id="number of the account",
            action="what was done",
        ),
        **described(
            Declared(
                Category.ACTIVITY,
                Subject.MEMBER,
                "why our staff did something, and to what",
                Basis.LEGITIMATE_INTEREST,
                Retention.STAFF_REASON,
            ),
            subject="what it was done to",
            reason="why, in the words of our staff",
        ),
    },
    "accounts_membership": columns(
        "id account_id user_id role joined_at",
        Declared(
            Category.SETTING,
            Subject.MEMBER,
            "who belongs to which account",
            Basis.CONTRACT,
            Retention.ACCOUNT,
        ),
    ),
    "accounts_invitation": {
        **described(
            Declared(
                Category.CONTACT,
                Subject.MEMBER,
                "inviting to an account",
                Basis.CONTRACT,
                Retention.INVITATION,
                (*HELD_BY, Recipient.MAIL),
            ),
            email="whom the invitation went to",
        ),
        **columns(
            "token_hash",
            Declared(
                Category.CREDENTIAL,
                Subject.MEMBER,
                "recognising an invitation (hash, not the link)",
                Basis.CONTRACT,
                Retention.INVITATION,
            ),
        ),
        **described(
            Declared(
                Category.SETTING,
                Subject.MEMBER,
                "who was invited to which account",
                Basis.CONTRACT,
                Retention.INVITATION,
            ),
            id="number of the invitation",
            account_id="number of the account",
            role="the role that was offered",
            invited_by_id="number of the person who invited",
            created_at="when it was sent",
            expires_at="until when its link works",
            accepted_at="when it was accepted",
            withdrawn_at="when it was taken back",
        ),
    },
    # Third-party tables about people.
    "account_emailaddress": columns(
        "id email verified primary user_id", _member(Category.CONTACT, "verifying the address")
    ),
    "account_emailconfirmation": columns(
        "id created sent key email_address_id", _member(Category.CONTACT, "verifying the address")
    ),
    # Neither an address nor a browser's name: when it began and by which way stands in the data.
    "accounts_session": columns("session_key session_data expire_date user_id", _SESSION),
    # Of a provider we keep by which number it knows the person; of tokens and profile nothing.
    "socialaccount_socialaccount": columns(
        "id provider uid extra_data user_id last_login date_joined",
        _member(Category.CREDENTIAL, "signing in through a provider that was connected"),
    ),
    "socialaccount_socialtoken": technical(
        "id token token_secret expires_at account_id app_id",
        "allauth's, stays empty: tokens are not kept",
        Retention.ALWAYS,
    ),
    "socialaccount_socialapp": technical(
        "id provider provider_id name client_id secret key settings",
        "allauth's, stays empty: providers come from the environment",
        Retention.ALWAYS,
    ),
    "accounts_ssoconnection": {
        **described(
            Declared(
                Category.SETTING,
                Subject.CUSTOMER,
                "single sign-on of the account",
                Basis.CONTRACT,
                Retention.ACCOUNT,
            ),
            id="number of the connection",
            account_id="number of the account",
            provider="its name in addresses",
            issuer="the address of your identity provider",
            client_id="by which name the provider knows us",
            default_role="the role of who comes new",
        ),
        **columns(
            "client_secret",
            Declared(
                Category.CREDENTIAL,
                Subject.CUSTOMER,
                "single sign-on of the account (sealed)",
                Basis.CONTRACT,
                Retention.ACCOUNT,
                is_sealed=True,
            ),
        ),
    },
    "accounts_ssodomain": described(
        Declared(
            Category.SETTING,
            Subject.CUSTOMER,
            "whose single sign-on an address belongs to",
            Basis.CONTRACT,
            Retention.ACCOUNT,
        ),
        id="number of the domain",
        account_id="number of the account",
        domain="the domain of the addresses",
    ),
    "mfa_authenticator": {
        **columns("id user_id type", _FACTOR),
        **columns("data", replace(_FACTOR, is_sealed=True)),
        **columns("created_at last_used_at", _member(Category.ACTIVITY, "security of the account")),
    },
    "django_admin_log": columns(
        "id action_time object_id object_repr action_flag change_message content_type_id user_id",
        _SUPPORT,
    ),
    "accounts_user_groups": technical("id user_id group_id", _FRAMEWORK, Retention.MEMBER),
    "accounts_user_user_permissions": technical(
        "id user_id permission_id", _FRAMEWORK, Retention.MEMBER
    ),
    "auth_group": technical("id name", _FRAMEWORK, Retention.ALWAYS),
    "auth_group_permissions": technical("id group_id permission_id", _FRAMEWORK, Retention.ALWAYS),
    "auth_permission": technical("id name content_type_id codename", _FRAMEWORK, Retention.ALWAYS),
}
