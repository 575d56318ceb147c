"""The audit trail of an account: who did what, kept by the database against our own change.

Every write that a customer could ask about calls `record` in its own transaction, so that there
is neither an act without its line nor a line without its act.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from accounts.models import Actor, AuditEvent, User

_by_support = ContextVar("by_support", default=False)

# Every act that is recorded, as the page says it. An app that adds an act adds its line here.
ACTIONS: Mapping[str, str] = {
    "account.opened": "opened the account",
    "account.renamed": "changed the company's name",
    "account.closed": "closed the account",
    "account.reopened": "reopened the account",
    "account.ownership_transferred": "transferred the ownership",
    "account.audit_exported": "exported the audit trail",
    "member.invited": "invited somebody",
    "member.invitation_resent": "sent an invitation again",
    "member.invitation_withdrawn": "withdrew an invitation",
    "member.joined": "joined by invitation",
    "member.role_changed": "changed the role of a member",
    "member.removed": "removed a member",
    "member.left": "left the account",
    "member.signed_in": "signed in",
    "member.provider_added": "connected another way to sign in",
    "member.provider_removed": "removed a way to sign in",
    "member.joined_by_sso": "joined through single sign-on",
    "sso.saved": "set up single sign-on",
    "sso.removed": "removed single sign-on",
    "member.password_changed": "changed the password",
    "member.password_reset": "chose a new password by a link sent by mail",
    "member.email_changed": "changed the e-mail address",
    "member.factor_added": "added a second factor",
    "member.factor_removed": "removed a second factor",
    "member.recovery_codes_renewed": "made new recovery codes",
    "account.closed_under_16": "closed the account: its only member was under 16",
    "account.purge_asked": "asked that all of it be deleted at once",
    "data.person_exported": "downloaded what is held about them",
    "data.retention_set": "set how long calls are kept",
    "data.imported": "read an export in",
    "data.export_asked": "asked for an export of everything",
    "data.export_downloaded": "downloaded an export",
    "data.user_exported": "downloaded the calls of one end user",
    "data.user_readmitted": "let later calls of an erased end user in again",
    "data.erasure_asked": "asked for a deletion",
    "data.erased": "finished a deletion",
    "project.created": "created a project",
    "project.renamed": "renamed a project",
    "project.timezone_changed": "changed a project's time zone",
    "project.archived": "archived a project",
    "project.restored": "brought a project back",
    "key.created": "made a key",
    "key.rotated": "replaced a key by a new one",
    "key.revoked": "revoked a key",
    "key.expired": "a key reached its end",
    "key.leaked": "revoked a key that was found in public",
    "support.granted": "let our support look",
    "support.looked": "looked at a page",
    "support.ended": "ended support access",
    "support.expired": "support access ended by itself",
    "support.noted": "left a note",
    "support.verification_sent": "sent the verification mail again",
    "support.key_revoked": "revoked a key on request",
    "support.trial_extended": "extended the trial",
    "support.subscription_canceled": "canceled the subscription on request",
    "billing.trial_started": "started the trial",
    "billing.plan_bought": "bought a plan",
    "billing.plan_changed": "changed the plan",
    "billing.plan_canceled": "canceled the plan, at the end of its month",
    "billing.plan_resumed": "took the cancellation of the plan back",
    "billing.plan_ended": "the plan ended",
    "billing.card_changed": "changed the card",
    "billing.address_changed": "changed the billing address",
    "billing.tax_id_changed": "changed the VAT id",
    "billing.limit_changed": "chose what happens at the limit of events",
    "billing.overage_billed": "events beyond the plan were billed",
    "billing.overdue_paid": "paid what was overdue",
    "billing.suspended": "the account became read-only, because a payment is overdue",
    "billing.suspension_lifted": "the account can be changed again",
}


@contextmanager
def by_support() -> Iterator[None]:
    """Have the lines of ordinary services say that a person of our support acted, not a member."""
    token = _by_support.set(True)
    try:
        yield
    finally:
        _by_support.reset(token)


def record(
    account_id: int,
    action: str,
    *,
    by: User | None,
    actor: Actor | None = None,
    subject: str = "",
    member: User | None = None,
    **details: Any,
) -> None:
    """Write one line, inside the account's context.

    `by` is the person who acted (None: nobody did, it was the service or a key: say which with
    `actor`); `member` the person it was done to. `subject` and `details` name things, never
    people. Raises ValueError for an act that is not in ACTIONS.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action} is not in accounts.audit.ACTIONS")
    person = Actor.SUPPORT if _by_support.get() else Actor.MEMBER
    AuditEvent.objects.create(
        account_id=account_id,
        actor=actor or (person if by else Actor.SYSTEM),
        user_id=by.pk if by else None,
        action=action,
        subject=subject,
        member_id=member.pk if member else None,
        details=details,
    )
