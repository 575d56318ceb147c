"""The privacy policy: each promise is stated, and the page says whose version it is."""

import re
from datetime import UTC, date, datetime

import pytest
from django.utils.html import escape, strip_tags
from django.utils.text import capfirst

from events.ingest.wire import FIELDS
from llmcost.inventory import Recipient, Subject
from privacy.inventory.registry import inventory
from privacy.policy import current, versions
from privacy.policy.subprocessors import processors
from privacy.policy.tables import CONSENT

# What the contract lets an event carry; the policy must name all of it.
EVENT_FIELDS = [
    "event_id",
    "created_at",
    "model",
    "provider",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "cached_audio_tokens",
    "input_image_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "web_search_requests",
    "service_tier",
    "status",
    "cost_usd",
    "latency_ms",
    "feature",
    "user_id",
    "prompt_version",
]
# Words without which a promise is not stated.
STATED = {
    1: ["only what we need", "never sell", "prompts"],
    2: ["website", "service", "your responsibility"],
    3: ["name", "e-mail address", "company", "Nothing else"],
    4: ["Stripe", "last four digits", "billing address"],
    5: ["never receive prompts or answers", "token", "latency"],
    6: ["page", "features", "do not sell"],
    7: ["write to us", "keep that correspondence"],
    8: ["run the service", "bill", "support", "secure", "improve", "legal"],
    9: ["userId", "UUID", "not an e-mail address or a real name"],
    10: ["Database hosting", "Stripe", "e-mail delivery", "advertisers", "data brokers", "AI providers"],
    11: ["entirely in your infrastructure", "no access", "e-mail address and a plan", "healthcare"],
    12: ["as long as your account is active", "30 days", "deletion at any time", "tax law"],
    13: ["Row-level security", "TLS", "at rest", "hashed", "security@llmcosttracker.com"],
    14: ["essential cookies only", "no advertising cookies", "consent"],
    15: ["corrected", "deleted", "restricted", "object", "authority", "privacy@llmcosttracker.com", "30 days"],
    16: ["under 16", "deleted immediately|delete the data immediately"],
    17: ["before they take effect", "last updated"],
}  # fmt: skip


@pytest.fixture
def policy(db):
    return current("privacy")


def test_every_promise_has_its_place(policy):
    stated = [number for part in policy.parts for number in part.promises]

    assert sorted(stated) == list(range(1, 18))


@pytest.mark.parametrize("number", STATED)
def test_a_promise_is_stated_where_the_policy_says_so(policy, number):
    (part,) = [part for part in policy.parts if number in part.promises]
    text = " ".join(strip_tags(f"{part.html} {part.short}").split())

    for words in STATED[number]:
        assert re.search(words, text, re.IGNORECASE), words


def test_every_field_of_an_event_is_named_and_what_it_is_comes_from_the_inventory(policy):
    (part,) = [part for part in policy.parts if 5 in part.promises]

    assert set(re.findall(r"<code>(\w+)</code>", part.html)) == set(EVENT_FIELDS) == set(FIELDS)
    assert not any("|" in block for block in part.blocks if isinstance(block, str))
    for name in FIELDS:
        assert escape(inventory()["events_event"][name].meaning) in part.html


def test_whatever_is_stored_about_somebody_is_in_the_policys_table(policy):
    (part,) = [part for part in policy.parts if part.id == "stored"]

    html = part.html
    # Choices about analytics are stored once a version names a provider: tried in test_consent.
    used = {name: columns for name, columns in inventory().items() if name != CONSENT}
    stored = {one for columns in used.values() for one in columns.values()}
    for one in stored:
        if one.subject is not Subject.NOBODY:
            for words in (one.purpose, one.basis, one.retention, one.subject, *one.recipients):
                assert escape(words) in html


def test_processors_stand_in_one_file(policy):
    (part,) = [part for part in policy.parts if 10 in part.promises]

    # Each is somebody, and somebody is each, but for analytics, which nobody does.
    assert {one.recipient for one in processors()} == set(Recipient) - {Recipient.ANALYTICS}
    for one in processors():
        assert capfirst(one.name) in part.html


@pytest.mark.parametrize(("path", "kind"), [("/privacy/", "privacy"), ("/terms/", "terms")])
def test_last_updated_is_the_current_versions(db, client, path, kind):
    page = client.get(path).content.decode()
    updated = current(kind).updated

    assert (
        f'Last updated <time datetime="{updated:%Y-%m-%d}">{updated.day} {updated:%B %Y}</time>'
        in page
    )


def test_contents_lead_to_every_part(db, client, policy):
    page = client.get("/privacy/").content.decode()

    for part in policy.parts:
        assert f'href="#{part.id}"' in page
        assert f'<h2 id="{part.id}">' in page
        assert f"In short: {part.title}" in page


def test_files_are_named_by_their_version():
    for kind in ("privacy", "terms"):
        for document in versions(kind):
            assert date.fromisoformat(document.version) <= document.effective


def test_a_version_counts_from_its_day_on(db, time_machine):
    newest = versions("privacy")[0]
    time_machine.move_to(datetime.combine(newest.effective, datetime.min.time(), UTC))

    assert current("privacy") == newest


def test_text_of_a_document_is_escaped():
    from privacy.policy.documents import _inline

    assert _inline("<b> `<i>` [x](/y) [z](javascript:1)") == (
        '&lt;b&gt; <code>&lt;i&gt;</code> <a href="/y">x</a> [z](javascript:1)'
    )
