"""Who may do what: the one table of roles and rights. Docs and pages show it, tests try it."""

from collections.abc import Mapping
from enum import StrEnum

from accounts.models import Role


class Right(StrEnum):
    """One thing that a member may do, in the words of the docs."""

    READ_USAGE = "see what calls cost"
    MANAGE_PROJECTS = "create, rename and archive projects; set prices and budgets"
    MANAGE_KEYS = "create, rotate and revoke keys"
    READ_TEAM = "see the team"
    MANAGE_TEAM = "invite and remove members, change their roles"
    READ_AUDIT = "read the audit trail"
    READ_BILLING = "see plan and invoices"
    MANAGE_BILLING = "change plan, card and billing address"
    ASK_ABOUT_DATA = "see what is held, ask for one's own data"
    EXPORT_DATA = "export everything"
    ERASE_DATA = "delete events, erase end users, set retention, make keys that may erase"
    MANAGE_SECURITY = "grant support access, set up single sign-on"
    OWN_ACCOUNT = "transfer ownership, close the account"


_EVERYBODY = frozenset(Role)
_LEADERS = frozenset({Role.OWNER, Role.ADMIN})
_READERS = frozenset({Role.OWNER, Role.ADMIN, Role.MEMBER, Role.READ_ONLY})

RIGHTS: Mapping[Right, frozenset[Role]] = {
    Right.READ_USAGE: _READERS,
    Right.MANAGE_PROJECTS: _LEADERS | {Role.MEMBER},
    Right.MANAGE_KEYS: _LEADERS | {Role.MEMBER},
    Right.READ_TEAM: _EVERYBODY,
    Right.MANAGE_TEAM: _LEADERS,
    Right.READ_AUDIT: _LEADERS,
    Right.READ_BILLING: _LEADERS | {Role.BILLING},
    Right.MANAGE_BILLING: frozenset({Role.OWNER, Role.BILLING}),
    Right.ASK_ABOUT_DATA: _EVERYBODY,
    Right.EXPORT_DATA: _LEADERS,
    Right.ERASE_DATA: frozenset({Role.OWNER}),
    Right.MANAGE_SECURITY: frozenset({Role.OWNER}),
    Right.OWN_ACCOUNT: frozenset({Role.OWNER}),
}


def may(role: str, right: Right) -> bool:
    """Say whether members of a role have a right."""
    return role in RIGHTS[right]
