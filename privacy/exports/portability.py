"""What of an export another installation reads in again, and why the rest stays a record.

One decision for each file. The export's README, `manage.py import_account` and docs/export.md say
what stands here; a table that somebody adds tomorrow is exported by itself, and a test asks for
its decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a file is read in again, and what of it, or why not."""

    is_read: bool
    why: str

    def __str__(self) -> str:
        return f"{'Read in again' if self.is_read else 'Not read in again'}: {self.why}."


def _read(what: str) -> Decision:
    return Decision(is_read=True, why=what)


def _left(why: str) -> Decision:
    return Decision(is_read=False, why=why)


CALLS, RATES = "calls", "rates"
_PAYMENT = "payment belongs to whoever was paid"
_SSO = (
    "the provider knows the address of the other installation, and its secret is in no export: set"
    " single sign-on up again"
)

DECISIONS: Mapping[str, Decision] = {
    CALLS: _read("every column, under new numbers of account and project"),
    RATES: _read("all but the moment of their first use"),
    "accounts_account": _read(
        "the name; its number, its public id and whether it was closed or suspended belong to the"
        " other installation"
    ),
    "projects_project": _read("every column but the numbers"),
    "accounts_auditevent": _read(
        "every line, marked as imported; people stand in it by the number they had, which"
        " `members` explains"
    ),
    "members": _left(
        "who belongs to an account has to agree and to prove the address: `--invite-members`"
        " invites them"
    ),
    "accounts_invitation": _left("its link leads to the other installation: invite again"),
    "accounts_ssoconnection": _left(_SSO),
    "accounts_ssodomain": _left(_SSO),
    "accounts_supportgrant": _left("it was given to the staff of the other installation"),
    "projects_apikey": _left(
        "the hash of a key is made with a secret of its installation, so that no key can move: make"
        " new ones"
    ),
    "billing_account": _left(_PAYMENT),
    "billing_invoice": _left(_PAYMENT),
    "billing_overage": _left(_PAYMENT),
    "events_allowance": _left("it follows from the plan"),
    "events_month": _left("it is counted again from the calls"),
    "privacy_notice": _left("it proves what the other operator has announced"),
    "privacy_referral": _left("it proves what the other operator has passed on"),
    "privacy_refuseduser": _left(
        "who is refused is known by a hash with a secret of its installation, and taking that"
        " along would let whoever has the file try out ids: delete with refusal what comes of them"
    ),
    "receipts": _left(
        "each is signed by the installation that deleted and chained to its others; the file"
        " itself is the proof"
    ),
}
