"""Answers to begin with, for those who answer requests: each is changed before it is sent."""

from collections.abc import Mapping

REFERRED = """Hello,

you asked us about your data in an application of one of our customers. That customer decides about
these data; we only process them for it, and may not act on them by ourselves (GDPR art. 28). We
have passed your request on today, with your address, so that the customer can answer you.

What we hold for our customers are counts and costs of calls under identifiers that they choose, and
never what was asked or answered."""

ANSWERS: Mapping[str, tuple[str, str]] = {
    "access": (
        "A copy of the data",
        """Hello,

you asked what we hold about you. This is all of it:

…

Why we hold it, how long and who gets it stands in our privacy policy, part "All that we store". You
may ask us to correct, delete or restrict it, object to its use, or complain to a data protection
authority.""",
    ),
    "deletion": (
        "Deleted",
        """Hello,

you asked us to delete your data. We have done so today. What we must keep by law is only the
number, date, amount, tax and address of invoices, as long as tax law says. Backups that still hold
the rest expire by themselves.""",
    ),
    "correction": (
        "Corrected",
        """Hello,

you asked us to correct something about you. It now says: …""",
    ),
    "objection": (
        "Objection or restriction followed",
        """Hello,

you asked us to stop using your data for something. From today on we no longer do: …""",
    ),
    "nothing": (
        "Nothing is held",
        """Hello,

you asked about your data. We hold nothing about this address, except this correspondence, which we
delete after two years, or now if you ask for it.""",
    ),
    "child": (
        "Child deleted",
        """Hello,

thank you for telling us. We have deleted the account and all that belongs to it.""",
    ),
    "extend": (
        "We need longer",
        """Hello,

your request needs more time than the 30 days that we promise, because …. We will answer within two
more months. You may complain about this to a data protection authority.""",
    ),
    "refuse": (
        "Refused",
        """Hello,

we cannot do what you ask, because …. You may complain about this to a data protection authority, or
go to court.""",
    ),
}
