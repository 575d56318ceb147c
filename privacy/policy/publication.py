"""Publishing a version: when it may take effect, who is told, and which version is in force.

A version that is not published here is not in force here, whatever its file says; so nobody is
ever bound by a material change that was not announced in time.
"""

from datetime import date, timedelta

from django.db import transaction
from django.db.models import Q

from accounts.models import Membership, Role, User
from llmcost import clock, outbox
from llmcost.errors import AppError
from llmcost.tenancy.context import signed_in, tenant
from privacy.models import Notice, Publication
from privacy.policy.documents import KINDS, Document, Kind, versions

NOTICE_DAYS = 14
# Owners told in one transaction: a worker that dies repeats at most so many, and mails none twice.
BATCH = 100
PAGES: dict[str, str] = {
    "privacy": "/privacy/history/",
    "terms": "/terms/history/",
    "subprocessors": "/privacy/subprocessors/",
}


class PolicyRefused(AppError):
    code, status = "policy_refused", 409


def current(kind: Kind) -> Document:
    """Return the version that is in force: the newest one that is published and has begun.

    Where nothing was published yet, on the first day of an installation, the dates alone decide.
    """
    today = clock.now().date()
    begun = [document for document in versions(kind) if document.effective <= today]
    published = set(Publication.objects.filter(kind=kind).values_list("version", flat=True))
    return next((one for one in begun if one.version in published), begun[0])


def upcoming() -> list[tuple[Kind, Document]]:
    """Return the material versions that are published and not yet in force: the app's notice."""
    today = clock.now().date()
    ahead = [
        (kind, document)
        for kind in KINDS
        for document in versions(kind)
        if document.is_material and document.effective > today
    ]
    if not ahead:  # nearly always, and then it costs no query
        return []
    published = set(Publication.objects.filter(effective__gt=today).values_list("kind", "version"))
    return [(kind, one) for kind, one in ahead if (kind, one.version) in published]


def unpublished() -> list[tuple[Kind, Document]]:
    """Return what the files hold and this installation has not published, the oldest first."""
    published = set(Publication.objects.values_list("kind", "version"))
    return [
        (kind, document)
        for kind in KINDS
        for document in reversed(versions(kind))
        if (kind, document.version) not in published
    ]


def rewritten() -> list[Publication]:
    """Return what was published here and has another text or table by now."""
    said = {(kind, one.version): one.sha256 for kind in KINDS for one in versions(kind)}
    return [
        one
        for one in Publication.objects.exclude(sha256="").order_by("pk")
        if said.get((one.kind, one.version), one.sha256) != one.sha256
    ]


@transaction.atomic
def publish() -> list[Publication]:
    """Publish what is not published yet; safe to repeat. Raises PolicyRefused, and then nothing is.

    What an installation publishes first is only written down: nobody has known another one.
    """
    today = clock.now().date()
    known = set(Publication.objects.values_list("kind", flat=True))
    made = []
    for kind, document in unpublished():
        if kind in known:
            _check(document, today)
        publication, is_new = Publication.objects.get_or_create(
            kind=kind,
            version=document.version,
            defaults={
                "effective": document.effective,
                "is_announced": document.is_material and document.effective > today,
                "sha256": document.sha256,
            },
        )
        made += [publication] if is_new else []
    return made


def _check(document: Document, today: date) -> None:
    name = f"{document.title} {document.version}"
    if document.effective < today:
        raise PolicyRefused(
            f"{name} says that it takes effect on {document.effective}, which is past: give its"
            " file a date from today on."
        )
    earliest = today + timedelta(days=NOTICE_DAYS)
    if document.is_material and document.effective < earliest:
        raise PolicyRefused(
            f"{name} is a material change and takes effect on {document.effective}, but its owners"
            f" must hear of it {NOTICE_DAYS} days before: {earliest} is the earliest date."
        )


def tell_owners() -> int:
    """Tell the next owners of what is announced; return how many. Any number may run at once.

    Person by person in the order of their numbers, so that it goes on where it was interrupted,
    and whoever signs up before the day is told too.
    """
    with transaction.atomic():
        publication = (
            Publication.objects.select_for_update(skip_locked=True)
            .filter(is_announced=True, effective__gt=clock.now().date())
            .filter(Q(told_up_to__lt=_newest_user()))
            .first()
        )
        if publication is None:
            return 0
        users = User.objects.filter(pk__gt=publication.told_up_to).order_by("pk")[:BATCH]
        told = 0
        for user in users:
            told += _tell(user, publication)
            publication.told_up_to = user.pk
        publication.save(update_fields=["told_up_to"])
        return told


def _newest_user() -> int:
    newest = User.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def _tell(user: User, publication: Publication) -> int:
    """Mail an owner once, and write down in each of their accounts that they were told."""
    with signed_in(user.pk):
        owned = list(
            Membership.objects.filter(user_id=user.pk, role=Role.OWNER)
            .order_by("account_id")
            .values_list("account_id", flat=True)
        )
    document = next(one for one in versions(publication.kind) if one.version == publication.version)
    for account_id in owned:
        with tenant(account_id):
            outbox.post(
                "privacy/email/notice",
                user.email,
                {"user": user, "document": document, "page": PAGES[publication.kind]},
                account_id=account_id,
                once=f"notice:{publication.kind}:{publication.version}:{user.pk}",
            )
            Notice.objects.get_or_create(
                account_id=account_id,
                user_id=user.pk,
                kind=publication.kind,
                version=publication.version,
            )
    return len(owned)
