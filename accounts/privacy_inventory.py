"""What we hold of people and companies."""

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
        **columns("id public_id name created_at", _COMPANY),
        **columns(
            "closed_at purge_due_at suspended_at sso_required",
            Declared(
                Category.ACTIVITY,
                Subject.CUSTOMER,
                "what state the account is in",
                Basis.CONTRACT,
                Retention.ACCOUNT,
            ),
        ),
    },
    "accounts_auditevent": columns(
        "id account_id at actor user_id action subject member_id details",
        Declared(
            Category.ACTIVITY,
            Subject.MEMBER,
            "audit trail of the account",
            Basis.LEGITIMATE_INTEREST,
            Retention.ACCOUNT,
        ),
    ),
    "accounts_supportgrant": columns(
        "id account_id reason granted_by_id granted_at ends_at ended_at",
        Declared(
            Category.ACTIVITY,
            Subject.MEMBER,
            "leave for our support to look",
            Basis.CONTRACT,
            Retention.ACCOUNT,
        ),
    ),
    "accounts_staffact": columns("id at staff_id account_id action subject reason", _SUPPORT),
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
        **columns("email", _member(Category.CONTACT, "inviting to an account")),
        **columns(
            "token_hash",
            _member(Category.CREDENTIAL, "recognising an invitation (hash, not the link)"),
        ),
        **columns(
            "id account_id role invited_by_id created_at expires_at accepted_at withdrawn_at",
            Declared(
                Category.SETTING,
                Subject.MEMBER,
                "who was invited to which account",
                Basis.CONTRACT,
                Retention.ACCOUNT,
            ),
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
    "accounts_ssoconnection": columns(
        "id account_id provider issuer client_id client_secret default_role",
        Declared(
            Category.SETTING,
            Subject.CUSTOMER,
            "single sign-on of the account (its secret sealed)",
            Basis.CONTRACT,
            Retention.ACCOUNT,
        ),
    ),
    "accounts_ssodomain": columns(
        "id account_id domain",
        Declared(
            Category.SETTING,
            Subject.CUSTOMER,
            "whose single sign-on an address belongs to",
            Basis.CONTRACT,
            Retention.ACCOUNT,
        ),
    ),
    "mfa_authenticator": {
        **columns(
            "id user_id type data",
            _member(Category.CREDENTIAL, "second factors (secrets sealed, passkeys' public keys)"),
        ),
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
