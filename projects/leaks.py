"""Keys that somebody found in public: closed at once, and their owners told where."""

import hashlib
from collections.abc import Iterator

import msgspec

from accounts import audit
from accounts.models import Membership, Role
from llmcost import clock, outbox
from llmcost.errors import MalformedJson, TooLarge
from llmcost.tenancy.context import tenant
from projects.keys import hashing, resolve
from projects.keys.format import is_well_formed
from projects.models import ApiKey

MOST_REPORTS = 10_000
MOST_SHOWN = 500
# Where GitHub finds things; whatever else is said becomes `unknown` in the trail.
SOURCES = frozenset(
    {
        *("content", "commit", "commit_comment", "gist_content", "gist_comment", "npm"),
        *("pull_request_title", "pull_request_description", "pull_request_comment"),
        *("issue_title", "issue_description", "issue_comment"),
        *("discussion_title", "discussion_body", "discussion_comment"),
    }
)


class Report(msgspec.Struct):
    """One find, in the form of secret-scanning partners."""

    token: str
    type: str = ""
    url: str = ""
    source: str = ""


_DECODER = msgspec.json.Decoder(list[Report])


def read_reports(body: bytes) -> list[Report]:
    """Return the finds of a body. Raises MalformedJson, TooLarge."""
    try:
        reports = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedJson(
            "The body is not a JSON array of objects with `token`, `type`, `url` and `source`."
        ) from None
    if len(reports) > MOST_REPORTS:
        raise TooLarge(f"A request takes at most {MOST_REPORTS:,} finds.")
    return reports


def close_leaked_keys(reports: list[Report]) -> Iterator[dict[str, str]]:
    """Close each key that is ours and say of each find whether it was one.

    Repeating it changes nothing and says the same.
    """
    for report in reports:
        yield {
            # Its hash, so that the answer does not spread the key further.
            "token_hash": hashlib.sha256(report.token.encode()).hexdigest(),
            "token_type": report.type,
            "label": "true_positive" if _close(report) else "false_positive",
        }


def _close(report: Report) -> bool:
    """Close the key if it is one of ours; say whether it is, in whatever state it was."""
    if not is_well_formed(report.token):
        return False
    key = resolve.find(hashing.digests(report.token))
    if key is None:
        return False
    with tenant(key.account_id):
        if key.close(clock.now()):
            _tell(key, report)
    return True


def _tell(key: ApiKey, report: Report) -> None:
    """Write the trail and mail the owners. The address where it was found names a person more
    often than not, so it stands in the mail alone.
    """
    source = report.source.lower()
    audit.record(
        key.account_id,
        "key.leaked",
        by=None,
        subject=key.hint,
        project=key.project.slug,
        source=source if source in SOURCES else "unknown",
    )
    owners = Membership.objects.select_related("user").filter(
        account_id=key.account_id, role=Role.OWNER
    )
    for owner in owners:
        outbox.post(
            "projects/email/leaked",
            owner.user.email,
            {
                "key": key,
                "project": key.project,
                "user": owner.user,
                "url": "".join(filter(str.isprintable, report.url))[:MOST_SHOWN],
            },
            account_id=key.account_id,
            once=f"leaked:{key.pk}:{owner.user_id}",
        )
