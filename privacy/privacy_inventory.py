"""What keeping our promises makes us hold."""

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

_LETTER = Declared(
    Category.CORRESPONDENCE,
    Subject.CORRESPONDENT,
    "answering what somebody wrote, and finding it again",
    Basis.LEGITIMATE_INTEREST,
    Retention.TWO_YEARS,
    (*HELD_BY, Recipient.MAIL),
)
_SEALED_LETTER = replace(_LETTER, is_sealed=True)
_PROOF = Declared(
    Category.ACTIVITY,
    Subject.CORRESPONDENT,
    "proof that a request was answered in time; names nobody once the letters are gone",
    Basis.LEGAL_DUTY,
    Retention.ALWAYS,
)

_REQUEST = Declared(
    Category.ACTIVITY,
    Subject.CUSTOMER,
    "deleting what was asked for",
    Basis.LEGAL_DUTY,
    Retention.ACCOUNT,
)
_RECEIPT = Declared(
    Category.ACTIVITY,
    Subject.NOBODY,
    "proof that something was deleted; names nobody",
    Basis.LEGAL_DUTY,
    Retention.ALWAYS,
)

INVENTORY: Inventory = {
    "privacy_publication": technical(
        "id kind version effective is_announced published_at told_up_to sha256",
        "which versions of our documents are in force",
        Retention.ALWAYS,
    ),
    "privacy_notice": described(
        Declared(
            Category.ACTIVITY,
            Subject.MEMBER,
            "proof that a change was announced",
            Basis.LEGAL_DUTY,
            Retention.ACCOUNT,
        ),
        id="number of the notice",
        account_id="number of the account",
        user_id="number of the person who was told",
        kind="of which document: privacy policy, terms, or subprocessors",
        version="of which version of it",
        told_at="when",
    ),
    "privacy_thread": {
        **columns(
            "id reference topic address_digest user_id opened_at last_at waiting_since", _LETTER
        ),
        **columns("sealed", _SEALED_LETTER),
    },
    "privacy_message": {
        **columns("id thread_id is_ours by_user_id source_digest at", _LETTER),
        **columns("sealed", _SEALED_LETTER),
    },
    "privacy_datarequest": {
        **columns(
            "id reference kind state received_at due_at verified_at closed_at thread_id user_id",
            _PROOF,
        ),
        **columns(
            "token_digest token_expires_at",
            Declared(
                Category.CREDENTIAL,
                Subject.CORRESPONDENT,
                "seeing that it is you who asks",
                Basis.LEGAL_DUTY,
                Retention.DAY,
            ),
        ),
    },
    "privacy_requeststep": columns("id request_id at what by_user_id", _PROOF),
    "privacy_referral": described(
        Declared(
            Category.ACTIVITY,
            Subject.CUSTOMER,
            "telling you what your users asked us",
            Basis.PROCESSOR,
            Retention.ACCOUNT,
        ),
        id="number in our database",
        account_id="number of the account",
        reference="number of the request",
        kind="what was asked",
        told_at="when we told you",
    ),
    "privacy_usecount": technical(
        "id day kind name times", "which pages and features are used", Retention.ALWAYS
    ),
    "privacy_visitorcount": technical("day visitors", "how many visit us", Retention.ALWAYS),
    "privacy_dailysalt": technical("day salt", "counting visitors of a day", Retention.DAY),
    "privacy_visitormark": columns(
        "id day mark",
        Declared(
            Category.USE,
            Subject.VISITOR,
            "counting the visitors of a day; nobody can tell whose it is once the day is over",
            Basis.LEGITIMATE_INTEREST,
            Retention.DAY,
        ),
    ),
    "privacy_consent": columns(
        "id reference at is_accepted version",
        Declared(
            Category.ACTIVITY,
            Subject.VISITOR,
            "proof of what was chosen about cookies of analytics, under a random number",
            Basis.LEGAL_DUTY,
            Retention.THREE_YEARS,
        ),
    ),
    "privacy_erasure": {
        **columns(
            """id public_id account_id project_id scope mode start end user_ref refuse_later
            requested_by requested_at state expected counts attempts is_again done_at
            receipt_number""",
            _REQUEST,
        ),
        **columns(
            "user_id stand_in",
            Declared(
                Category.END_USER_ID,
                Subject.END_USER,
                "deleting what was asked for; forgotten when it is done",
                Basis.LEGAL_DUTY,
                Retention.MINUTES,
            ),
        ),
    },
    "privacy_export": columns(
        """id public_id account_id requested_by requested_at state moment cursor events_expected
        events_written size_bytes attempts ready_at expires_at""",
        Declared(
            Category.ACTIVITY,
            Subject.MEMBER,
            "exports that were asked for; their files are gone after seven days",
            Basis.LEGAL_DUTY,
            Retention.ACCOUNT,
        ),
    ),
    "privacy_refuseduser": described(
        Declared(
            Category.END_USER_ID,
            Subject.END_USER,
            "refusing later calls of an erased user; a keyed hash",
            Basis.PROCESSOR,
            Retention.ACCOUNT,
        ),
        id="number in our database",
        account_id="number of the account",
        project_id="number of the project",
        user_ref="keyed hash of the user id",
        since="since when its calls are refused",
    ),
    "privacy_purge": columns(
        """account_id account_public_id requested_at verified_by due_at started_at counts passed_on
        done_at receipt_number""",
        _RECEIPT,
    ),
    "privacy_receipt": columns("number kind account_ref text sha256 signature made_at", _RECEIPT),
    "privacy_receipthead": columns("id number sha256", _RECEIPT),
    "privacy_appliedtombstone": technical(
        "id", "making a restored backup forget again", Retention.ALWAYS
    ),
    "privacy_clockwatch": technical(
        "id seen_at steady_since", "purging by no clock that has jumped", Retention.ALWAYS
    ),
    "privacy_registration": {
        **columns(
            "email",
            Declared(
                Category.CONTACT,
                Subject.SELF_HOSTER,
                "news of updates, asked for by whoever runs an installation",
                Basis.CONTRACT,
                Retention.UNTIL_REFUSED,
            ),
        ),
        **columns(
            "id plan registered_at",
            Declared(
                Category.SETTING,
                Subject.SELF_HOSTER,
                "the licence",
                Basis.CONTRACT,
                Retention.ALWAYS,
            ),
        ),
    },
}
