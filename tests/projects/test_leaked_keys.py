"""Keys found in public: believed only when a partner has signed it, closed at once, told to owners."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection

from accounts.models import AuditEvent, Membership, Role, User
from llmcost.models import OutgoingMail
from llmcost.tenancy.context import tenant
from projects import leaks
from projects.keys import partners, resolve
from projects.keys.format import new_key
from projects.models import ApiKey
from tests.calls import CALL

PATH = "/v1/keys/leaked"
WHERE = "https://github.com/octocat/hello/blob/12345/prod.env"


class Partner:
    """Somebody who scans for secrets, with a key pair of their own."""

    def __init__(self, identifier: str = "key-1", curve: ec.EllipticCurve | None = None) -> None:
        self.identifier = identifier
        self.key = ec.generate_private_key(curve or ec.SECP256R1())

    def listed(self) -> dict[str, object]:
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"key_identifier": self.identifier, "key": pem.decode(), "is_current": True}

    def headers(self, body: bytes) -> dict[str, str]:
        return {
            "GITHUB-PUBLIC-KEY-IDENTIFIER": self.identifier,
            "GITHUB-PUBLIC-KEY-SIGNATURE": base64.b64encode(
                self.key.sign(body, ec.ECDSA(SHA256()))
            ).decode(),
        }


@pytest.fixture
def partner(settings) -> Partner:
    partner = Partner()
    settings.LEAK_REPORT_KEYS = {"public_keys": [partner.listed()]}
    return partner


@pytest.fixture
def report(api, partner) -> Callable:
    """Report texts as the partner does; `headers` and `body` may be forged."""

    def send(*found, body=None, headers=None):
        body = json.dumps([find(text) for text in found]).encode() if body is None else body
        signed = partner.headers(body) if headers is None else headers
        return api(None, "POST", PATH, body, headers=signed)

    return send


def find(text, url=WHERE, source="Content"):
    return {"token": text, "type": "llmc_key", "url": url, "source": source}


def verdict(text, label):
    hashed = hashlib.sha256(text.encode()).hexdigest()
    return {"token_hash": hashed, "token_type": "llmc_key", "label": label}


def is_revoked(company):
    with tenant(company.account.pk):
        return ApiKey.objects.get(pk=company.key_row.pk).revoked_at is not None


def trail(company):
    with tenant(company.account.pk):
        return list(AuditEvent.objects.filter(account_id=company.account.pk, action="key.leaked"))


# --- What a report does ----------------------------------------------------------------------
def test_a_key_found_in_public_is_revoked_and_the_owner_is_told_where(acme, globex, report, api):
    second = User.objects.create_user("bea@acme.example", "correct horse battery", name="Bea")
    with tenant(acme.account.pk):
        Membership.objects.create(account=acme.account, user=second, role=Role.ADMIN)
    stranger = new_key("live")

    answer = report(acme.key, stranger, "ghp_something", acme.key[:-1])

    assert answer.status_code == 200
    assert answer.json() == [
        verdict(acme.key, "true_positive"),
        verdict(stranger, "false_positive"),
        verdict("ghp_something", "false_positive"),
        verdict(acme.key[:-1], "false_positive"),
    ]
    resolve.forget()
    assert api(acme.key, "POST", "/v1/events", CALL).status_code == 401
    assert api(globex.key, "POST", "/v1/events", CALL).status_code == 200
    mails = {mail.recipient: mail for mail in OutgoingMail.objects.all()}
    assert set(mails) == {acme.owner.email}
    for mail in mails.values():
        assert mail.account_id == acme.account.pk
        assert WHERE in mail.text
        assert WHERE in mail.html
        assert acme.key_row.hint in mail.subject
        assert acme.key not in mail.text + mail.html + mail.subject
    [line] = trail(acme)
    assert (line.actor, line.subject, line.user_id) == ("system", acme.key_row.hint, None)
    assert line.details == {"project": "prod", "source": "content"}


def test_the_same_report_again_says_the_same_and_changes_nothing(acme, report):
    first = report(acme.key, acme.key)
    with tenant(acme.account.pk):
        before = ApiKey.objects.get(pk=acme.key_row.pk).revoked_at

    again = report(acme.key)

    assert first.json() == [verdict(acme.key, "true_positive")] * 2
    assert again.json() == [verdict(acme.key, "true_positive")]
    with tenant(acme.account.pk):
        assert ApiKey.objects.get(pk=acme.key_row.pk).revoked_at == before
    assert len(trail(acme)) == 1
    assert OutgoingMail.objects.count() == 1


def test_a_key_kept_under_an_older_pepper_is_found(acme, report, settings):
    settings.KEY_PEPPERS = [*settings.KEY_PEPPERS, "newer"]

    assert report(acme.key).json() == [verdict(acme.key, "true_positive")]
    assert is_revoked(acme)


def test_garbage_and_wrong_checksums_cost_no_query(report, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert report("x", "", "llmc_live_" + "0" * 38, "\x00", "é" * 100).status_code == 200


@pytest.mark.parametrize(
    "url",
    ["", "x\x00y", 'https://x/"><script>alert(1)</script>', "a" * 100_000, "\u202egnp"],
    ids=ascii,
)
def test_any_place_can_be_told(acme, report, url):
    body = json.dumps([find(acme.key, url=url, source="\x00" * 300)]).encode()

    assert report(body=body).status_code == 200

    assert is_revoked(acme)
    [mail] = OutgoingMail.objects.all()
    assert "<script>" not in mail.html
    assert "\u202e" not in mail.text
    assert len(mail.text) < 2_000
    assert trail(acme)[0].details["source"] == "unknown"


def test_where_it_was_found_is_gone_when_the_mail_is_sent(acme, report):
    from llmcost import outbox

    report(acme.key)
    assert outbox.send_due() == 1

    with tenant(acme.account.pk), connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(to_jsonb(m)::text, '') FROM llmcost_outgoingmail m")
        kept = cursor.fetchone()[0]
        cursor.execute("SELECT string_agg(to_jsonb(m)::text, '') FROM accounts_auditevent m")
        kept += cursor.fetchone()[0]
    assert "octocat" not in kept


# --- Who is believed -------------------------------------------------------------------------
def test_an_altered_body_closes_nothing(acme, report, partner):
    signed = partner.headers(json.dumps([find("x")]).encode())

    answer = report(acme.key, headers=signed)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_signature")
    assert not is_revoked(acme)


@pytest.mark.parametrize(
    "forge",
    [
        lambda _good: {},
        lambda good: {**good, "GITHUB-PUBLIC-KEY-IDENTIFIER": "another"},
        lambda good: {**good, "GITHUB-PUBLIC-KEY-IDENTIFIER": ""},
        lambda good: {**good, "GITHUB-PUBLIC-KEY-SIGNATURE": ""},
        lambda good: {**good, "GITHUB-PUBLIC-KEY-SIGNATURE": "!!!"},
        lambda good: {**good, "GITHUB-PUBLIC-KEY-SIGNATURE": "MEUCIQ=="},
        lambda good: {**good, "GITHUB-PUBLIC-KEY-SIGNATURE": "A" * 5_000},
        lambda good: {**good, "GITHUB-PUBLIC-KEY-SIGNATURE": "é"},
    ],
    ids=range(8),
)
def test_a_forged_signature_is_refused_before_anything_is_read(acme, report, partner, forge):
    body = b"no JSON at all \xff"

    answer = report(body=body, headers=forge(partner.headers(body)))

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_signature")


def test_a_strangers_key_pair_is_not_believed(acme, report):
    body = json.dumps([find(acme.key)]).encode()

    assert report(body=body, headers=Partner().headers(body)).status_code == 401
    assert not is_revoked(acme)


def test_only_the_agreed_curve_counts(acme, report, settings):
    other = Partner("key-384", ec.SECP384R1())
    settings.LEAK_REPORT_KEYS = {"public_keys": [other.listed()]}
    body = json.dumps([find(acme.key)]).encode()

    assert report(body=body, headers=other.headers(body)).status_code == 401


def test_where_nobody_is_trusted_nobody_is_believed(acme, report, settings):
    settings.LEAK_REPORT_KEYS = {"public_keys": []}

    assert report(acme.key).status_code == 401
    assert not is_revoked(acme)


# --- Shape and size --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b"[{}]",
        b'[{"token": 1}]',
        b'[{"token": "\xff"}]',
        b'[{"token": "\\ud800"}]',
        b"[" * 100_000,
        b"\x00",
    ],
    ids=range(10),
)
def test_a_signed_body_of_another_form_is_400(report, db, body):
    answer = report(body=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_json")


def test_an_empty_report_and_unknown_fields_are_fine(acme, report):
    assert report(body=b"[]").json() == []
    more = json.dumps([find(acme.key) | {"confidence": 1}]).encode()
    assert report(body=more).json() == [verdict(acme.key, "true_positive")]


def test_ten_thousand_finds_are_taken_and_no_more(acme, report):
    finds = [f"llmc_live_{n:038d}" for n in range(leaks.MOST_REPORTS - 1)]

    full = report(*finds, acme.key)
    more = report(*finds, acme.key, "x")

    assert [one["label"] for one in full.json()].count("true_positive") == 1
    assert (more.status_code, more.json()["error"]["code"]) == (413, "too_large")


def test_a_body_that_is_too_large_is_refused(report, settings, db):
    answer = report(body=b" " * (settings.MAX_BODY_BYTES + 1))

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_an_address_that_asks_too_often_is_told_to_wait(report, db, monkeypatch):
    monkeypatch.setattr("llmcost.api.throttle.time", SimpleNamespace(monotonic=lambda: 0.0))

    statuses = [report(body=b"[]").status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]
    assert report(body=b"[]")["Retry-After"] == "1"


def test_only_post_is_taken(client, db):
    assert client.get(PATH).status_code == 405


# --- Public keys from an address -------------------------------------------------------------
@pytest.fixture
def shelf(settings):
    """A partner's address with its public keys; counts how often it is asked."""
    state = SimpleNamespace(body=b"{}", status=200, asked=0)

    class Shelf(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked += 1
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.body)))
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.LEAK_REPORT_KEYS_URLS = [f"http://127.0.0.1:{server.server_port}/keys"]
    settings.LEAK_REPORT_KEYS = {"public_keys": []}
    state.hold = lambda *them: setattr(
        state, "body", json.dumps({"public_keys": [one.listed() for one in them]}).encode()
    )
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def wait(monkeypatch):
    passed = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(partners, "time", SimpleNamespace(monotonic=lambda: passed.seconds))
    return lambda seconds: setattr(passed, "seconds", passed.seconds + seconds)


def test_public_keys_are_fetched_once_and_remembered(acme, report, partner, shelf, wait):
    shelf.hold(partner)

    assert [report("x").status_code for _ in range(5)] == [200] * 5
    assert shelf.asked == 1
    wait(partners.REMEMBER_SECONDS)
    assert report(acme.key).status_code == 200
    assert shelf.asked == 2
    assert is_revoked(acme)


def test_a_partners_new_key_is_found_within_a_minute_and_unknown_ones_do_not_make_us_ask(
    report, db, partner, shelf, wait
):
    shelf.hold(Partner("older"))
    assert [report("x").status_code for _ in range(5)] == [401] * 5
    assert shelf.asked == 1
    shelf.hold(Partner("older"), partner)
    wait(partners.RETRY_SECONDS)

    assert report("x").status_code == 200
    assert shelf.asked == 2


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"public_keys": [{}]}', b"\xff"])
def test_a_list_that_does_not_come_is_503_and_asked_for_once_a_minute(
    report, db, shelf, wait, body
):
    shelf.body = body

    answers = [report("x") for _ in range(3)]

    assert [one.status_code for one in answers] == [503] * 3
    assert answers[0].json()["error"]["code"] == "unavailable"
    assert "Retry-After" in answers[0]
    assert shelf.asked == 1


def test_a_redirect_is_not_followed(report, partner, shelf, wait, db):
    shelf.hold(partner)
    shelf.status = 302

    assert report("x").status_code == 503
    assert shelf.asked == 1


def test_a_list_that_cannot_be_renewed_goes_on_to_count(report, db, partner, shelf, wait):
    shelf.hold(partner)
    assert report("x").status_code == 200
    shelf.status = 500
    wait(partners.REMEMBER_SECONDS)

    assert report("x").status_code == 200


def test_the_schema_has_the_endpoint_and_its_answers(client, db):
    schema = client.get("/api/schema/", headers={"Accept": "application/json"}).json()

    operation = schema["paths"][PATH]["post"]
    assert set(operation["responses"]) == {"200", "400", "401", "413", "429", "503"}
    assert {one["name"] for one in operation["parameters"]} == {
        "GITHUB-PUBLIC-KEY-IDENTIFIER",
        "GITHUB-PUBLIC-KEY-SIGNATURE",
    }
