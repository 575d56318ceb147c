"""Registration of one's own installation: by choice, e-mail and plan, and what of it stays."""

import io
import json
import re
import socket
import stat
import threading
from types import SimpleNamespace

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from llmcost import outbox
from privacy.models import Registration
from privacy.registration import PLANS, sending

PATH = "/v1/registrations"
ADA = {"email": "ada@example.com", "plan": "self_hosted"}
ANSWER = {
    "licence": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
    "plan": "self_hosted",
    "registered_at": "2026-11-24T12:00:00Z",
}


# --- Their side: what is sent ----------------------------------------------------------------
@pytest.fixture
def registry(settings, tmp_path):
    """A place to register that keeps every byte, and answers as it is told."""
    settings.DATA_DIR = tmp_path
    state = SimpleNamespace(received=[], status="201 Created", body=json.dumps(ANSWER).encode())
    listener = socket.create_server(("127.0.0.1", 0))
    settings.REGISTRATION_URL = f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"

    def serve():
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                received = caller.recv(65_536)
                state.received.append(received)
                if state.body is not None:
                    head = f"HTTP/1.1 {state.status}\r\nContent-Length: {len(state.body)}\r\n\r\n"
                    caller.sendall(head.encode() + state.body)

    thread = threading.Thread(target=serve)
    thread.start()
    yield state
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def register(*more, email="ada@example.com", plan="self_hosted"):
    out = io.StringIO()
    call_command("register", "--email", email, "--plan", plan, *more, stdout=out)
    return out.getvalue()


def test_a_dry_run_prints_exactly_the_bytes_that_are_sent_and_sends_none(registry):
    printed = register("--dry-run")
    assert registry.received == []

    said = register()

    assert registry.received == [printed.encode()]
    head, body = printed.split("\r\n\r\n")
    assert json.loads(body) == ADA
    names = [line.split(":")[0] for line in head.split("\r\n")[1:]]
    assert names == ["Host", "Content-Type", "Content-Length", "Connection"]
    assert ANSWER["licence"] in said
    assert said.count("\n") == 1


def test_the_licence_is_kept_for_nobody_elses_eyes(registry, settings):
    register()

    path = settings.DATA_DIR / "licence.json"
    assert json.loads(path.read_text()) == ANSWER | ADA
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in settings.DATA_DIR.iterdir()] == ["licence.json"]


def test_again_sends_nothing_and_another_plan_sends_again(registry):
    register()

    assert "Nothing was sent" in register()
    assert len(registry.received) == 1
    register(plan="business")
    assert len(registry.received) == 2


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        ("429 Too Many", b'{"error": {"message": "Wait an hour."}}', r"refused it \(429\): Wait"),
        ("200 OK", b"{}", "refused it"),
        ("201 Created", b"[]", "refused it"),
        ("201 Created", b"<html>", "gave no answer"),
        ("500 Oops", b"\xff", "gave no answer"),
        ("201 Created", None, "gave no answer"),
    ],
)
def test_an_answer_that_is_none_is_said_and_nothing_is_kept(registry, settings, status, body, said):
    registry.status, registry.body = status, body

    with pytest.raises(CommandError, match=said):
        register()

    assert list(settings.DATA_DIR.iterdir()) == []


def test_nobody_at_the_address_is_said(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    with socket.create_server(("127.0.0.1", 0)) as gone:
        settings.REGISTRATION_URL = f"http://127.0.0.1:{gone.getsockname()[1]}/"

    with pytest.raises(CommandError, match="Nothing here has changed"):
        register()


@pytest.mark.parametrize("url", ["http://llmcosttracker.com/v1/registrations", "ftp://x/", ""])
def test_nothing_goes_out_in_clear(settings, url):
    settings.REGISTRATION_URL = url

    with pytest.raises(CommandError, match="https"):
        register("--dry-run")


def test_what_is_wrong_is_said_before_anything_is_sent(registry):
    with pytest.raises(CommandError, match="valid email"):
        register(email="ada")
    with pytest.raises(CommandError, match="invalid choice"):
        register(plan="gold")
    assert registry.received == []


# --- Our side: what is kept ------------------------------------------------------------------
@pytest.fixture
def site(db, api):
    return lambda body: api(None, "POST", PATH, body)


def kept():
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(r) FROM privacy_registration r ORDER BY registered_at")
        return [json.loads(row) if isinstance(row, str) else row for (row,) in cursor.fetchall()]


def test_what_the_command_sends_is_what_we_take(site, settings):
    request = sending.request_bytes(settings.REGISTRATION_URL, **ADA)

    answer = site(request.split(b"\r\n\r\n")[1])

    assert answer.status_code == 201
    assert set(answer.json()) == {"licence", "plan", "registered_at"}


def test_email_and_plan_are_kept_and_nothing_else(site, api):
    headers = {"User-Agent": "CANARY", "X-Forwarded-For": "203.0.113.9", "Cookie": "c=CANARY"}

    answer = api(None, "POST", PATH, ADA | {"email": "Ada@Example.com"}, headers=headers)

    [row] = kept()
    assert row.keys() == {"id", "email", "plan", "registered_at"}
    assert (row["id"], row["email"], row["plan"]) == (answer.json()["licence"], *ADA.values())
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(to_jsonb(m)::text, '') FROM llmcost_outgoingmail m")
        assert "CANARY" not in cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"\xff", "malformed_json"),
        (b"[" * 4_000, "invalid_parameter"),
        ("[]", "invalid_parameter"),
        ("{}", "invalid_parameter"),
        (ADA | {"company": "Engines"}, "invalid_parameter"),
        (ADA | {"email": "ada"}, "invalid_parameter"),
        (ADA | {"email": "a\x00@example.com"}, "invalid_parameter"),
        (ADA | {"email": "a@example.com\nBcc: b@example.com"}, "invalid_parameter"),
        (ADA | {"email": f"{'a' * 250}@example.com"}, "invalid_parameter"),
        (ADA | {"email": None}, "invalid_parameter"),
        (ADA | {"plan": "gold"}, "invalid_parameter"),
        (ADA | {"plan": 1}, "invalid_parameter"),
    ],
    ids=range(13),
)
def test_anything_else_is_refused_and_not_kept(site, body, code):
    answer = site(body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert kept() == []


def test_a_body_over_four_kilobytes_is_refused(site):
    assert site(b" " * 5_000).status_code == 413


def test_a_known_address_is_answered_like_an_unknown_one(site):
    first, second = site(ADA), site(ADA | {"plan": PLANS[0]})

    assert first.status_code == second.status_code == 201
    assert first.json()["licence"] != second.json()["licence"]


def test_an_address_is_mailed_three_times_a_day_at_most(site):
    answers = [
        site(ADA | {"email": email}) for email in ["ada@example.com"] * 3 + ["ADA@example.com"]
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert Registration.objects.count() == 3


def test_one_network_address_registers_ten_times_an_hour_at_most(site):
    answers = [site(ADA | {"email": f"ada{n}@example.com"}).status_code for n in range(11)]

    assert answers == [201] * 10 + [429]


def test_an_installation_of_ones_own_takes_no_registrations(site, settings):
    settings.SELF_HOSTED = True

    assert site(ADA).status_code == 404
    assert kept() == []


# --- News ------------------------------------------------------------------------------------
@pytest.fixture
def link(site):
    """The link in the mail that confirms a registration."""
    site(ADA)
    outbox.send_due()
    [message] = mail.outbox
    link = re.search(r"http\S+/news/", message.body)[0]
    assert message.extra_headers["List-Unsubscribe"] == f"<{link}>"
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link in message.alternatives[0][0]
    return re.sub(r"https?://[^/]+", "", link)


def test_the_mail_names_the_licence_and_what_is_kept(link):
    [row] = kept()

    assert row["id"] in mail.outbox[0].body
    assert mail.outbox[0].to == ["ada@example.com"]


def test_looking_changes_nothing_and_one_click_deletes_the_address(link, client):
    page = client.get(link)
    assert page.status_code == 200
    assert "Delete my address" in page.content.decode()
    assert kept()[0]["email"] == "ada@example.com"

    done = client.post(link)

    assert done.status_code == 200
    assert "No more news" in done.content.decode()
    [row] = kept()
    assert row["email"] is None
    assert client.post(link).status_code == 200


def test_a_mail_program_ends_it_by_itself(link):
    strict = Client(enforce_csrf_checks=True)

    answer = strict.post(
        link, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
    )

    assert answer.status_code == 200
    assert kept()[0]["email"] is None


def test_it_ends_for_all_installations_of_that_address_and_no_other(link, site, client):
    site(ADA)
    site(ADA | {"email": "bob@example.com"})

    client.post(link)

    assert sorted(row["email"] or "" for row in kept()) == ["", "", "bob@example.com"]


def test_a_changed_link_is_not_there(link, client):
    other = link.replace(link[20], "0" if link[20] != "0" else "1", 1)

    for address in (other, "/registrations/x/news/", f"{link[:-7]}x/news/"):
        assert client.get(address).status_code == 404
        assert client.post(address).status_code == 404
    assert kept()[0]["email"] == "ada@example.com"


def test_the_schema_has_the_endpoint(client, db):
    schema = client.get("/api/schema/", headers={"Accept": "application/json"}).json()

    assert set(schema["paths"][PATH]["post"]["responses"]) == {"201", "400", "413", "429", "503"}
