"""Mails as files, and the mailbox of local mode."""

import pytest
from django.core.mail import EmailMultiAlternatives, send_mail

LOCAL = {"HTTP_HOST": "127.0.0.1:8000"}


@pytest.fixture
def mailbox(settings, tmp_path):
    settings.EMAIL_BACKEND = "llmcost.web.mail.FileBackend"
    settings.MAIL_DIR = tmp_path / "mail"
    return settings.MAIL_DIR


def test_each_mail_is_one_file_and_the_newest_stands_first(client, mailbox):
    send_mail("First", "text", None, ["a@example.com"])
    send_mail("Second", "text", None, ["b@example.com"])

    page = client.get("/dev/mail/", **LOCAL).content.decode()

    assert len(list(mailbox.glob("*.eml"))) == 2
    assert page.index("Second") < page.index("First")


def test_a_link_in_a_mail_can_be_clicked(client, mailbox):
    send_mail("Link", "Open http://127.0.0.1:8000/x/?a=1&b=2 now", None, ["a@example.com"])
    (file,) = mailbox.glob("*.eml")

    page = client.get(f"/dev/mail/{file.stem}/", **LOCAL).content.decode()

    assert '<a href="http://127.0.0.1:8000/x/?a=1&amp;b=2"' in page


def test_a_mail_cannot_put_markup_into_the_mailbox(client, mailbox):
    send_mail("<script>s()</script>", "<script>t()</script>", None, ["a@example.com"])
    (file,) = mailbox.glob("*.eml")

    for address in ("/dev/mail/", f"/dev/mail/{file.stem}/"):
        assert "<script>" not in client.get(address, **LOCAL).content.decode()


def test_the_html_of_a_mail_runs_no_script(client, mailbox):
    message = EmailMultiAlternatives("HTML", "text", None, ["a@example.com"])
    message.attach_alternative("<p style='color: red'>Hello</p>", "text/html")
    message.send()
    (file,) = mailbox.glob("*.eml")

    response = client.get(f"/dev/mail/{file.stem}/html/", **LOCAL)

    assert b"<p style='color: red'>Hello</p>" in response.content
    assert "script-src 'none'" in response["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["0" * 32, "x", "..%2f..%2fsecrets"])
def test_a_mail_that_is_not_there_is_not_found(client, mailbox, name):
    assert client.get(f"/dev/mail/{name}/", **LOCAL).status_code == 404


@pytest.mark.parametrize("path", ["/dev/mail/", "/dev/components/"])
def test_local_pages_exist_on_no_public_installation(client, settings, path):
    settings.LOCAL_MODE = False

    assert client.get(path, **LOCAL).status_code == 404


@pytest.mark.parametrize(
    "asked", [{"HTTP_HOST": "192.168.1.5"}, LOCAL | {"REMOTE_ADDR": "192.168.1.7"}]
)
def test_local_pages_answer_this_machine_only(client, settings, asked):
    settings.ALLOWED_HOSTS = ["*"]

    assert client.get("/dev/mail/", **asked).status_code == 404
