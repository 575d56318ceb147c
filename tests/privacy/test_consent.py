"""Analytics of somebody else: the policy first, then the question, then perhaps the script."""

import shutil
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.conf import settings as of_this_process
from django.test import Client

from llmcost import clock
from privacy import consent
from privacy.models import Consent
from privacy.policy import documents, drafting, subprocessors, versions

SCRIPT = "https://stats.example.org/script.js"
PROCESSOR = """
[[processor]]
recipient = "ANALYTICS"
company = "Stats"
does = "counts how our public pages are used, of visitors who accept"
"""
PAGE = "/privacy/cookies/"
ASKING = ["/", "/privacy/", "/privacy/history/", "/privacy/subprocessors/", "/security/", "/terms/"]
SILENT = ["/login/", "/signup/", "/contact/", "/privacy/request/", "/password/reset/", PAGE]


def announce(folder, today):
    """Write what must be published before a provider may be configured."""
    file, _ = drafting.draft(today)
    text = file.read_text().replace("material: ", "analytics: Stats\nmaterial: ")
    file.write_text(text)
    versions.cache_clear()
    file, more = drafting.draft(today)
    assert more == ["Record of an act (a visitor of our pages)"]
    assert versions("privacy")[0].is_material
    return file


@pytest.fixture
def drafted(tmp_path, monkeypatch):
    """A repository whose newest policy names a provider and takes effect three weeks from now."""
    shutil.copytree(documents.FOLDERS["privacy"], tmp_path / "versions")
    monkeypatch.setitem(documents.FOLDERS, "privacy", tmp_path / "versions")
    listed = tmp_path / "subprocessors.toml"
    listed.write_text(subprocessors.FILE.read_text() + PROCESSOR)
    monkeypatch.setattr(subprocessors, "FILE", listed)
    versions.cache_clear()
    subprocessors.facts.cache_clear()
    announce(tmp_path / "versions", date(2027, 3, 1))
    yield versions("privacy")[0]
    versions.cache_clear()
    subprocessors.facts.cache_clear()


@pytest.fixture
def configured(drafted, settings, time_machine):
    """A site on which Stats is configured, on the day on which its policy takes effect."""
    time_machine.move_to(datetime(2027, 3, 22, 12, tzinfo=UTC), tick=False)
    assert drafted.effective == date(2027, 3, 22)
    settings.ANALYTICS_SCRIPT, settings.ANALYTICS_NAME = SCRIPT, "Stats"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "privacy.consent.ConsentMiddleware"]
    return drafted


@pytest.fixture
def asking(configured, db):
    return configured


def choose(client, choice, **more):
    return client.post(PAGE, {"choice": choice, "next": "/", **more})


def is_loaded(answer):
    policy = answer["Content-Security-Policy"]
    has_script, has_host = SCRIPT in answer.content.decode(), "stats.example.org" in policy
    assert has_script == has_host
    return has_script


def asks(answer):
    return 'role="dialog"' in answer.content.decode()


# --- Not configured --------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/", "/privacy/", "/security/", "/login/"])
def test_without_a_provider_there_is_no_trace(client, db, path):
    answer = client.get(path)

    assert "cookie choices" not in answer.content.decode().lower()
    assert not asks(answer)
    assert "consent" not in answer.cookies
    assert "https://" not in answer["Content-Security-Policy"]
    assert "privacy.consent.ConsentMiddleware" not in of_this_process.MIDDLEWARE
    assert (
        client.get(PAGE).status_code == client.post(PAGE, {"choice": "accept"}).status_code == 404
    )
    assert not Consent.objects.exists()


# --- The policy first ------------------------------------------------------------------------
def test_before_its_policy_is_in_force_a_provider_cannot_be_configured(drafted):
    day_before = drafted.effective - timedelta(days=1)

    [said] = consent.missing(SCRIPT, "Stats", day_before)

    assert "does not name Stats" in said
    assert "`analytics: Stats`" in said
    assert consent.missing(SCRIPT, "Stats", drafted.effective) == []
    assert consent.missing("", "", day_before) == []


@pytest.mark.parametrize(
    ("script", "name", "words"),
    [
        ("ftp://stats.example.org/s.js", "Stats", ["must be the https:// address"]),
        ("https:///s.js", "Stats", ["must be the https:// address"]),
        ("https://a.example; script-src *", "Stats", ["must be the https:// address"]),
        ("", "Stats", ["must be the https:// address"]),
        (SCRIPT, "", ["Set ANALYTICS_NAME"]),
        (SCRIPT, "Others", ["does not name Others", 'company = "Others"']),
    ],
)
def test_each_thing_that_is_wrong_is_one_sentence(drafted, script, name, words):
    said = consent.missing(script, name, drafted.effective)

    assert len(said) == len(words)
    assert all(word in sentence for word, sentence in zip(words, said, strict=True))


def test_the_drafted_policy_says_what_is_recorded(drafted):
    assert "three years" in str(drafted.tables["everything"])
    assert "Stats" in str(drafted.tables["processors"])
    assert drafting.outdated() == []


def test_nothing_is_asked_when_the_policy_in_force_is_another_one(asking, client, time_machine):
    time_machine.move_to(datetime(2027, 3, 21, 12, tzinfo=UTC), tick=False)

    assert not asks(client.get("/"))
    assert client.get(PAGE).status_code == 404


# --- Asked -----------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ASKING)
def test_pages_that_are_only_read_ask_and_load_nothing(asking, client, path):
    answer = client.get(path)

    assert asks(answer)
    assert not is_loaded(answer)
    assert set(answer.cookies) == {"csrf"}
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("path", SILENT)
def test_pages_with_a_form_neither_ask_nor_load(asking, client, path):
    choose(client, "accept")

    answer = client.get(path)

    assert answer.status_code == 200
    assert not asks(answer)
    assert not is_loaded(answer)
    assert "Cookie choices" in answer.content.decode()


def test_the_two_answers_are_one_click_each_and_look_alike(asking, client):
    page = client.get("/").content.decode()

    refuse = '<button class="button" name="choice" value="refuse">Refuse</button>'
    accept = '<button class="button" name="choice" value="accept">Accept</button>'
    assert refuse + accept in page


def test_after_accepting_it_is_loaded_and_after_refusing_not(asking, client):
    assert choose(client, "accept")["Location"] == "/"
    accepted = client.get("/")
    assert is_loaded(accepted)
    assert not asks(accepted)

    assert choose(client, "refuse")["Location"] == "/"
    refused = client.get("/")
    assert not is_loaded(refused)
    assert not asks(refused)


@pytest.mark.parametrize("choice", ["", "yes", "ACCEPT", "refuse"])
def test_whatever_is_not_the_word_is_a_refusal(asking, client, choice):
    choose(client, choice)

    assert not is_loaded(client.get("/"))


def test_the_choice_is_recorded_with_its_version_and_about_nobody(asking, client):
    answer = choose(client, "accept")
    choose(client, "refuse")

    cookie = answer.cookies["consent"]
    assert (cookie["max-age"], cookie["httponly"], cookie["samesite"]) == (15_552_000, True, "Lax")
    rows = Consent.objects.order_by("pk")
    assert [(row.is_accepted, row.version, row.at) for row in rows] == [
        (True, asking.version, rows[0].at),
        (False, asking.version, rows[1].at),
    ]
    reference = rows[0].reference
    assert isinstance(reference, UUID)
    assert reference == rows[1].reference
    assert reference.hex in cookie.value
    assert str(reference) in client.get(PAGE).content.decode()
    assert {field.name for field in Consent._meta.fields} == {
        "id", "reference", "at", "is_accepted", "version",
    }  # fmt: skip


def test_it_is_asked_again_after_180_days_and_when_the_policy_changes(asking, client, time_machine):
    choose(client, "accept")
    time_machine.move_to(clock.now() + timedelta(days=181), tick=False)
    late = client.get("/")
    assert asks(late)
    assert not is_loaded(late)

    choose(client, "accept")
    drafting.draft(clock.now().date())
    new = client.get("/")
    assert versions("privacy")[0].version != asking.version
    assert asks(new)
    assert not is_loaded(new)


def test_a_cookie_that_we_did_not_write_is_no_choice(asking, client):
    client.cookies["consent"] = f"accepted {asking.version} {'0' * 32}"

    answer = client.get("/")

    assert asks(answer)
    assert not is_loaded(answer)


@pytest.mark.parametrize("header", ["DNT", "Sec-GPC"])
def test_a_browser_that_asks_not_to_be_followed_is_not_asked_and_loads_nothing(
    asking, client, header
):
    quiet = Client(headers={header: "1"})
    for _ in range(2):
        answer = quiet.get("/")
        assert not asks(answer)
        assert not is_loaded(answer)
        assert "We take that as refused" in quiet.get(PAGE).content.decode()
        choose(quiet, "accept")  # even if it is sent

    assert not Consent.objects.filter(is_accepted=True).exists()


def test_whoever_is_signed_in_is_neither_asked_nor_counted(asking, acme):
    choose(acme.client, "accept")

    answer = acme.client.get("/")

    assert not asks(answer)
    assert not is_loaded(answer)
    assert not is_loaded(acme.client.get("/account/data/"))


def test_refusing_deletes_the_cookies_that_are_not_ours(asking, client):
    for name in ("_ga", "csrf", "consent"):
        client.cookies[name] = "x"
    answer = client.post(PAGE, {"choice": "refuse"}, headers={"host": "127.0.0.1"})

    gone = {(one.key, one["domain"]) for one in answer.cookies.values() if one["max-age"] == 0}
    assert {("_ga", ""), ("_ga", "127.0.0.1")} <= gone
    assert {name for name, _ in gone} == {"_ga"}


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "\0"],
)
def test_the_way_back_leads_to_our_own_pages_only(asking, client, elsewhere):
    assert choose(client, "refuse", next=elsewhere)["Location"] == PAGE


def test_a_choice_without_the_forms_token_is_none(asking):
    careless = Client(enforce_csrf_checks=True)

    assert choose(careless, "accept").status_code == 403
    assert not Consent.objects.exists()


def test_choices_are_not_sent_by_the_thousand(asking, client):
    answers = [choose(client, "refuse").status_code for _ in range(31)]

    assert answers == [302] * 30 + [429]


def test_records_are_deleted_when_they_prove_nothing_any_more(asking, client, time_machine):
    choose(client, "accept")
    Consent.objects.update(at=clock.now() - consent.KEPT + timedelta(days=1))
    consent.forget_old()
    assert Consent.objects.count() == 1

    time_machine.move_to(clock.now() + timedelta(days=2), tick=False)
    consent.forget_old()

    assert not Consent.objects.exists()
