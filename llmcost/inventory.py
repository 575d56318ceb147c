"""The words with which every column of the database is declared: what it is and why we hold it.

Each app has a `privacy_inventory.py` with `INVENTORY`, a mapping of table to columns. A test
compares it with the columns of the live database, third-party tables included, so that nothing is
ever stored undeclared. The terms follow GDPR art. 6 and art. 30.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Category(StrEnum):
    """What kind of data a column holds."""

    IDENTITY = "name and company"
    CONTACT = "e-mail address"
    CREDENTIAL = "credential, hashed"
    CALL_METADATA = "metadata of a call"
    END_USER_ID = "the customer's identifier of its user"
    SETTING = "setting"
    ACTIVITY = "record of an act"
    SESSION = "session"
    TECHNICAL = "technical, about nobody"
    CATALOGUE = "public price catalogue"
    CORRESPONDENCE = "what somebody wrote to us"
    USE = "counts of page views and features used"
    PAYMENT = "billing record"


class Subject(StrEnum):
    """Whose data it is."""

    MEMBER = "a customer's team member"
    CUSTOMER = "a customer"
    END_USER = "an end user of a customer"
    STAFF = "our support staff"
    CORRESPONDENT = "whoever writes to us"
    VISITOR = "a visitor of our pages"
    SELF_HOSTER = "whoever registers an installation of their own"
    NOBODY = "nobody"


class Basis(StrEnum):
    """Why we may hold it."""

    CONTRACT = "contract, GDPR art. 6(1)(b)"
    PROCESSOR = "on the customer's behalf, GDPR art. 28"
    LEGITIMATE_INTEREST = "legitimate interest, GDPR art. 6(1)(f)"
    LEGAL_DUTY = "legal duty, GDPR art. 6(1)(c)"
    NOT_PERSONAL = "not personal data"


class Retention(StrEnum):
    """How long it stays."""

    ACCOUNT = "while the account is active and 30 days after it ends"
    MEMBER = "while the person has an account here"
    SESSION = "until sign-out, at most two weeks"
    MINUTES = "minutes"
    DAY = "a day"
    SIXTY_DAYS = "60 days"
    THREE_YEARS = "three years"
    TWO_YEARS = "two years after the last message"
    INVITATION = "until a week after the link has ended"
    STAFF_REASON = "a year, at most until the account is deleted"
    BILLING = "as long as tax law requires, at most ten years"
    UNTIL_REFUSED = "until the person ends the news"
    ALWAYS = "for good"


class Recipient(StrEnum):
    """Which kind of processor gets to hold it, besides us; who they are: privacy/policy."""

    DATABASE = "database hosting"
    HOSTING = "hosting"
    MAIL = "e-mail delivery"
    STRIPE = "Stripe"
    ANALYTICS = "web analytics"


# Whatever is in a column is held by the database and passes through the machines of the service.
HELD_BY = (Recipient.DATABASE, Recipient.HOSTING)


@dataclass(frozen=True, slots=True)
class Declared:
    """One column, declared.

    `recipients` are the processors that get it. `is_sealed` marks what llmcost.vault has sealed.
    `meaning` says what it is, for the columns that
    the policy lists one by one and those that a customer finds in an export.
    """

    category: Category
    subject: Subject
    purpose: str
    basis: Basis
    retention: Retention
    recipients: tuple[Recipient, ...] = HELD_BY
    meaning: str = ""
    is_sealed: bool = False


Inventory = Mapping[str, Mapping[str, Declared]]


def columns(names: str, declared: Declared) -> dict[str, Declared]:
    """Declare several columns alike; `names` are parted by blanks."""
    return dict.fromkeys(names.split(), declared)


def described(declared: Declared, **meanings: str) -> dict[str, Declared]:
    """Declare several columns alike, each with what it is."""
    return {name: replace(declared, meaning=meaning) for name, meaning in meanings.items()}


def technical(names: str, purpose: str, retention: Retention) -> dict[str, Declared]:
    """Declare columns that are about nobody."""
    return columns(
        names,
        Declared(Category.TECHNICAL, Subject.NOBODY, purpose, Basis.NOT_PERSONAL, retention),
    )
