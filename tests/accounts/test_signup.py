"""Signing up, signing in, and what a stranger can learn or misuse on the way."""

import email
import re
from email import policy as email_policy

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import hashers
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts.models import Account, Membership, User
from llmcost.tenancy.context import signed_in, tenant
from privacy.policy import current
from projects.models import Project

PASSWORD = "four grey horses run"
MARA = {
    "name": "Mara Lindqvist",
    "email": "mara@acme.example",
    "company": "Acme GmbH",
    "password1": PASSWORD,
    "accept": "on",
}
EVIL = ["//evil.example", "https:evil.example", "https://evil.example", "/\\evil.example",
        "\\\\evil.example", "javascript:alert(1)", "\t//evil.example", "///evil.example",
        "http:///evil.example", "//evil.example/app/"]  # fmt: skip

pytestmark = pytest.mark.django_db


@pytest.fixture
def mara(client):
    """Mara has signed up and confirmed her address, in this client."""
    client.post("/signup/", MARA)
    client.post(link_of(mail.outbox[-1]))
    mail.outbox.clear()
    cache.clear()
    return User.objects.get(email=MARA["email"])


def link_of(message):
    """The first link of a mail, as a path."""
    return re.search(r"http://127\.0\.0\.1:8000(/\S+)", message.body)[1]


def seen(response):
    """What somebody sees of a response: its status, where it leads, its text without tokens."""
    body = re.sub(r'(csrfmiddlewaretoken" value="|req_)[0-9A-Za-z]+', "", response.content.decode())
    return response.status_code, response.get("Location"), body


def test_signing_up_leads_to_the_first_project(client, settings, tmp_path):
    settings.EMAIL_BACKEND, settings.MAIL_DIR = "llmcost.web.mail.FileBackend", tmp_path

    sent = client.post("/signup/", MARA, follow=True)
    (file,) = tmp_path.glob("*.eml")
    message = email.message_from_bytes(file.read_bytes(), policy=email_policy.default)
    text = message.get_body(("plain",)).get_content()
    link = re.search(r"http://127\.0\.0\.1:8000(/\S+)", text)[1]
    asked = client.get(link)
    confirmed = client.post(link)

    assert b"Check your mail" in sent.content
    assert message["To"] == "mara@acme.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert b"<b>mara@acme.example</b>" in asked.content
    assert confirmed["Location"] == "/app/"
    user = User.objects.get(email="mara@acme.example")
    assert client.session["_auth_user_id"] == str(user.pk)
    with signed_in(user.pk):
        membership = Membership.objects.get(user=user)
    with tenant(membership.account_id):
        assert Account.objects.get().name == "Acme GmbH"
        assert Project.objects.get().name == "prod"


def test_what_was_accepted_is_recorded(mara):
    assert mara.name == "Mara Lindqvist"
    assert mara.accepted_policy_version == current("privacy").version
    assert mara.accepted_policy_at is not None


def test_only_three_things_are_asked_and_a_password(client):
    page = client.get("/signup/").content.decode()
    form = page[page.index("<form") : page.index("</form>")]

    assert re.findall(r'<label for="[^"]+">([^<]+)</label>', form) == [
        "Name", "Email", "Company", "Password",
    ]  # fmt: skip
    label = re.sub(r"<[^>]+>", "", form[form.index('<label class="check">') :].split("</label>")[0])
    assert label == "I am 16 or older and accept the terms and the privacy policy"
    assert re.findall(r"<button[^>]*>([^<]+)</button>", form) == ["Create account"]


@pytest.mark.parametrize("missing", MARA)
def test_every_answer_is_needed(client, missing):
    response = client.post("/signup/", {k: v for k, v in MARA.items() if k != missing})

    assert response.status_code == 422
    assert b'class="field__error"' in response.content
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("email", "mara@acme", "This address is not complete."),
        ("password1", "short", "at least 12 characters"),
        ("password1", "password1234", "too common"),
        ("password1", "mara@acme.example", "too similar"),
        ("name", "x" * 201, "at most 200 characters"),
        ("company", "a\x00b", "Null characters are not allowed"),
    ],
)
def test_a_refused_answer_says_why_beside_its_field(client, field, value, words):
    page = client.post("/signup/", MARA | {field: value}).content.decode()
    note = page[page.index('class="field__error"') :].split("</p>")[0]

    assert words in note
    assert f'id="id_{field}-note"' in note


def test_an_unconfirmed_address_cannot_sign_in_and_gets_the_link_again(client):
    client.post("/signup/", MARA)
    cache.clear()

    response = Client().post("/login/", {"login": MARA["email"], "password": PASSWORD})

    assert response["Location"] == "/confirm-email/"
    assert len(mail.outbox) == 2
    assert link_of(mail.outbox[1]).startswith("/confirm-email/")


def test_a_link_opened_elsewhere_confirms_but_signs_nobody_in(client):
    client.post("/signup/", MARA)
    elsewhere = Client()

    response = elsewhere.post(link_of(mail.outbox[0]), follow=True)

    assert response.redirect_chain[-1][0] == "/login/"
    assert b"Your address is confirmed." in response.content
    assert "_auth_user_id" not in elsewhere.session
    assert EmailAddress.objects.get().verified


def test_a_link_works_once(client):
    client.post("/signup/", MARA)
    link = link_of(mail.outbox[0])
    client.post(link)
    thief = Client()

    assert b"This link is too old" in thief.get(link).content
    assert thief.post(link).status_code == 404
    assert "_auth_user_id" not in thief.session


def test_signing_in_and_out(client, mara):
    client.post("/logout/")
    assert "_auth_user_id" not in client.session

    response = client.post("/login/", {"login": "MARA@acme.example", "password": PASSWORD})

    assert response["Location"] == "/app/"
    assert client.session["_auth_user_id"] == str(mara.pk)


def test_the_session_changes_its_name_when_somebody_signs_in(client, mara):
    client.post("/logout/")
    client.get("/login/")
    session = client.session
    session["mark"] = 1
    session.save()
    client.cookies["session"] = before = session.session_key

    client.post("/login/", {"login": MARA["email"], "password": PASSWORD})

    assert client.session.session_key != before


def test_signing_out_by_a_link_asks_first(client, mara):
    response = client.get("/logout/")

    assert b"Sign out?" in response.content
    assert "_auth_user_id" in client.session


def test_a_new_password_ends_every_session(client, mara):
    stranger = Client()
    stranger.post("/password/reset/", {"email": MARA["email"]})
    form = stranger.get(link_of(mail.outbox[0]), follow=True)

    done = stranger.post(
        form.redirect_chain[-1][0], {"password1": "a completely new one"}, follow=True
    )

    assert b"Password saved" in done.content
    assert client.get("/login/").status_code == 200  # signed out: the form, not a redirect
    assert "Your password was changed" in mail.outbox[-1].subject
    assert stranger.post(
        "/login/", {"login": MARA["email"], "password": "a completely new one"}
    ).status_code == 302  # fmt: skip


def test_a_reset_link_works_once(client, mara):
    client.post("/logout/")
    client.post("/password/reset/", {"email": MARA["email"]})
    link = link_of(mail.outbox[0])
    form = client.get(link, follow=True)
    client.post(form.redirect_chain[-1][0], {"password1": "a completely new one"})

    assert b"This link is too old" in Client().get(link, follow=True).content


# --- What a stranger can learn ---------------------------------------------------------------
def test_signing_up_with_a_known_address_looks_like_any_other(mara):
    known, unknown = Client(), Client()

    first = known.post("/signup/", MARA | {"name": "Eve", "company": "Evil"})
    second = unknown.post("/signup/", MARA | {"email": "new@acme.example"})

    assert seen(first) == seen(second)
    assert seen(known.get(first["Location"])) == seen(unknown.get(second["Location"]))
    assert set(known.cookies) == set(unknown.cookies)
    assert [message.subject for message in mail.outbox] == [
        "You already have an account", "Confirm your e-mail address",
    ]  # fmt: skip
    assert User.objects.get(pk=mara.pk).name == "Mara Lindqvist"


def test_signing_in_with_a_known_address_looks_like_any_other(mara):
    known = Client().post("/login/", {"login": MARA["email"], "password": "wrong password"})
    unknown = Client().post("/login/", {"login": "new@acme.example", "password": "wrong password"})

    assert known.status_code == 422
    assert seen(known) == (
        unknown.status_code, None, seen(unknown)[2].replace("new@acme.example", MARA["email"]),
    )  # fmt: skip


def test_resetting_a_known_address_looks_like_any_other(mara):
    known = Client().post("/password/reset/", {"email": MARA["email"]}, follow=True)
    unknown = Client().post("/password/reset/", {"email": "new@acme.example"}, follow=True)

    assert seen(known) == seen(unknown)
    assert [message.subject for message in mail.outbox] == [
        "Choose a new password", "There is no account with this address",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/login/", "/signup/"])
def test_an_unknown_address_costs_as_many_hashes_as_a_known_one(mara, monkeypatch, path):
    """Argon2 takes nearly all of the time, so whoever measures it counts hashes."""
    hashes = []
    real = hashers.MD5PasswordHasher.encode
    monkeypatch.setattr(
        hashers.MD5PasswordHasher,
        "encode",
        lambda self, *args: (hashes.append(1), real(self, *args))[1],
    )

    counts = []
    for address in (MARA["email"], "new@acme.example"):
        hashes.clear()
        Client().post(path, MARA | {"email": address, "login": address, "password": "wrong one"})
        counts.append(len(hashes))

    assert counts == [1, 1]


def test_passwords_are_kept_as_argon2_outside_tests():
    from llmcost import settings

    assert settings.PASSWORD_HASHERS[0].endswith(".Argon2PasswordHasher")


def test_two_sign_ups_at_once_make_one_user(client, mara, monkeypatch):
    """Both forms were checked before either was saved."""
    monkeypatch.setattr(
        "accounts.sign_in.forms.SignUpForm.validate_unique_email", lambda _, value: value
    )

    response = Client().post("/signup/", MARA)

    assert response["Location"] == "/confirm-email/"
    assert User.objects.filter(email=MARA["email"]).count() == 1
    assert mail.outbox[-1].subject == "You already have an account"


# --- What a stranger can misuse --------------------------------------------------------------
@pytest.mark.parametrize("host", ["localhost", "[::1]:9"])
@pytest.mark.parametrize("path", ["/signup/", "/password/reset/"])
def test_links_come_from_the_public_url_whatever_the_host_header_says(mara, path, host):
    for address in (MARA["email"], "new@acme.example"):
        Client().post(
            path, MARA | {"email": address}, HTTP_HOST=host, HTTP_X_FORWARDED_HOST="evil.example"
        )

    assert len(mail.outbox) == 2
    for message in mail.outbox:
        for body in (message.body, message.alternatives[0].content):
            links = re.findall(r"https?://[^\s\"<]+", body)
            assert links
            assert all(link.startswith("http://127.0.0.1:8000") for link in links)


def test_a_host_that_is_not_ours_is_refused(settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]

    assert Client().get("/login/", HTTP_HOST="evil.example").status_code == 400


@pytest.mark.parametrize("target", EVIL)
def test_signing_in_never_leads_away(client, mara, target):
    client.post("/logout/")

    response = client.post(
        "/login/", {"login": MARA["email"], "password": PASSWORD, "next": target}
    )

    assert response["Location"] == "/app/"


@pytest.mark.parametrize("target", EVIL)
def test_signing_out_and_being_signed_in_never_lead_away(client, mara, target):
    assert client.get("/login/", {"next": target})["Location"] == "/app/"
    assert client.post("/logout/", {"next": target})["Location"] == "/"


def test_signing_in_leads_back_to_where_one_was(client, mara):
    client.post("/logout/")

    response = client.post(
        "/login/?next=/app/prod/keys/", {"login": MARA["email"], "password": PASSWORD}
    )

    assert response["Location"] == "/app/prod/keys/"


@pytest.mark.parametrize(
    ("path", "form", "allowed"),
    [
        ("/login/", {"login": "a@b.example", "password": "x"}, 30),
        ("/signup/", {}, 20),
        ("/password/reset/", {"email": "a@b.example"}, 5),
    ],
)
def test_too_many_attempts_get_a_page_that_says_so(client, path, form, allowed):
    for _ in range(allowed):
        client.post(path, form)

    response = client.post(path, form)

    assert response.status_code == 429
    assert response["Retry-After"] == "60"
    assert b"There were too many attempts from here." in response.content
    assert b'<header class="site-head">' in response.content


def test_wrong_passwords_of_one_address_are_counted_whatever_the_host(client, mara):
    for host in ("localhost", "127.0.0.1", "localhost:1", "localhost:2", "127.0.0.1:3"):
        Client().post("/login/", {"login": MARA["email"], "password": "wrong"}, HTTP_HOST=host)

    response = Client().post("/login/", {"login": MARA["email"], "password": PASSWORD})

    assert response.status_code == 429
    assert b"Too many wrong passwords." in response.content


@pytest.mark.parametrize("path", ["/login/", "/signup/", "/password/reset/", "/logout/"])
def test_a_form_without_its_token_is_refused(path):
    response = Client(enforce_csrf_checks=True).post(path, MARA)

    assert response.status_code == 403
    assert b"This form has expired" in response.content


def test_a_name_cannot_put_anything_into_a_mail(client):
    name = '<a href="https://evil.example">Eve</a>'
    client.post("/signup/", MARA | {"name": name, "company": "x\r\nBcc: all@example.com"})
    (message,) = mail.outbox

    assert message.subject == "Confirm your e-mail address"
    assert message.recipients() == ["mara@acme.example"]
    assert name in message.body  # as text
    assert name not in message.alternatives[0].content  # escaped in HTML


def test_a_mail_server_that_is_away_fails_the_mail_and_not_the_page(client, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens there

    response = client.post("/signup/", MARA)

    assert response["Location"] == "/confirm-email/"
    assert User.objects.filter(email=MARA["email"]).exists()
