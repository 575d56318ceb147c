"""What our own staff may see and do: the one table of duties and powers, shown by the docs.

A duty is a Django group, made by migration; `createstaff --role` puts people in. Being a superuser
is no duty and opens nothing.
"""

from collections.abc import Mapping
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser

from accounts.models import User


class Duty(StrEnum):
    """A role of our staff; the value is the name of the group."""

    SUPPORT = "support"
    PRIVACY = "privacy officer"
    FINANCE = "finance"


class Power(StrEnum):
    """One thing that staff may see or do, in the words of the docs."""

    FIND_ACCOUNTS = "find accounts; see members, projects, key hints and calls a month"
    READ_BILLING = "see plan and payments"
    READ_REQUESTS = "see data requests and correspondence"
    READ_LOG = "read what staff did"
    NOTE = "leave a note"
    VERIFY = "send the verification mail again"
    REVOKE_KEYS = "revoke a key"
    CHANGE_BILLING = "extend a trial, cancel a subscription"
    ANSWER_REQUESTS = "answer data requests"
    LOOK = "look at costs where the customer has granted it"


_ALL = frozenset(Duty)

POWERS: Mapping[Power, frozenset[Duty]] = {
    Power.FIND_ACCOUNTS: _ALL,
    Power.READ_BILLING: frozenset({Duty.SUPPORT, Duty.FINANCE}),
    Power.READ_REQUESTS: frozenset({Duty.SUPPORT, Duty.PRIVACY}),
    Power.READ_LOG: frozenset({Duty.PRIVACY}),
    Power.NOTE: _ALL,
    Power.VERIFY: frozenset({Duty.SUPPORT}),
    Power.REVOKE_KEYS: frozenset({Duty.SUPPORT}),
    Power.CHANGE_BILLING: frozenset({Duty.SUPPORT, Duty.FINANCE}),
    Power.ANSWER_REQUESTS: frozenset({Duty.PRIVACY}),
    Power.LOOK: frozenset({Duty.SUPPORT}),
}


def powers_of(user: User | AnonymousUser) -> frozenset[Power]:
    """Return what a person may do as our staff; nothing without a duty or when not active staff."""
    if not (user.is_active and user.is_staff):
        return frozenset()
    duties = set(user.groups.values_list("name", flat=True))
    return frozenset(power for power, holders in POWERS.items() if holders & duties)
