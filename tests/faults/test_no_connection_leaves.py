"""A self-hosted installation speaks to nobody: every connection of its whole life, noted.

Each Python process of the group notes by an audit hook, before its first line of code, whom it
connects to and which names it looks up; no library can get around that. libpq, which is not
Python, is asked of the database itself.
"""

import json
import re
import socket
import subprocess
import sys
import threading
from ipaddress import ip_address
from types import SimpleNamespace

import httpx
import pytest

from tests.calls import CALL
from tests.group import Group, eventually
from tests.up.site import REPOSITORY, environment, new_place

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("group")]

PASSWORD = "seven slow otters swim"
ADA = ("--email", "ada@example.com", "--plan", "self_hosted")
HOOK = """
import json, os, sys

def note(event, *told):
    line = json.dumps({"event": event, "told": repr(told), "by": " ".join(sys.orig_argv)}) + "\\n"
    log = os.open(os.environ["CONNECTION_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(log, line.encode())
    os.close(log)

WATCHED = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostbyname", "socket.gethostbyaddr"}
sys.addaudithook(lambda event, told: note(event, *told[1:] if event in
    ("socket.connect", "socket.sendto", "socket.sendmsg") else told[:1])
    if event in WATCHED else None)
note("start")
"""
ANSWER = {"licence": "x", "plan": "self_hosted", "registered_at": "now"}


@pytest.fixture(scope="module")
def registry():
    """Where registrations go: another address of this machine, so that it can be told apart."""
    listener = socket.create_server(("127.0.0.9", 0))
    state = SimpleNamespace(port=listener.getsockname()[1], received=[])
    body = json.dumps(ANSWER).encode()

    def serve():
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                state.received.append(caller.recv(65_536))
                caller.sendall(
                    b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                )

    thread = threading.Thread(target=serve)
    thread.start()
    yield state
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture(scope="module")
def installation(registry):
    """A self-hosted group, all of whose processes note their connections."""
    with new_place() as place:
        (place / "hook").mkdir()
        (place / "hook/sitecustomize.py").write_text(HOOK)
        log = place / "connections"
        log.touch()
        log.chmod(0o666)
        group = Group(
            place / "data",
            DEPLOYMENT="self-hosted",
            REGISTRATION_URL=f"http://127.0.0.9:{registry.port}/v1/registrations",
            PYTHONPATH=str(place / "hook"),
            CONNECTION_LOG=str(log),
        )
        group.connections = lambda: [json.loads(line) for line in log.read_text().splitlines()]
        try:
            group.start()
            yield group
        finally:
            group.stop()


def manage(group, *arguments, **more):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY,
        env=environment(group.data_dir, group.port, **group.variables),
        capture_output=True,
        check=True,
        **more,
    ).stdout


def strangers(group):
    """Whom the processes spoke to, or asked for by name, beyond this machine and its sockets."""
    found = []
    for line in group.connections():
        told = line["told"]
        if line["event"] == "start" or re.search(r"\((b?'[/\\].*|b?'\\x00.*)\)?", told):
            continue  # its first line; a Unix socket
        hosts = re.findall(r"'([^']+)'", told)
        if not hosts or not all(map(is_this_machine, hosts)):
            found.append(line)
    return found


def is_this_machine(host):
    try:
        return host == "localhost" or ip_address(host) == ip_address("127.0.0.1")
    except ValueError:
        return False


def use_everything(group):
    """Work with it as a company would."""
    owner = ("--email", "ada@example.com", "--name", "Ada", "--company", "Engines")
    manage(group, "createowner", *owner, "--password-stdin", input=f"{PASSWORD}\n".encode())
    with httpx.Client(base_url=group.url, follow_redirects=True, timeout=30) as browser:

        def submit(page, address=None, **fields):
            token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', browser.get(page).text)[1]
            answer = browser.post(address or page, data={"csrfmiddlewaretoken": token, **fields})
            assert answer.status_code < 400, answer.text
            return answer.text

        submit("/password/reset/", email="ada@example.com")
        submit("/login/", login="ada@example.com", password=PASSWORD)
        made = submit("/app/prod/keys/", name="K", scopes=["ingest", "read"], kind="live")
        key = re.search(r"llmc_live_\w{38}", made)[0]
        pages = ["/app/", "/app/prod/", "/app/prod/start/", "/account/security/", "/privacy/"]
        for page in [*pages, "/api/docs/", "/api/schema/", "/healthz", "/readyz", "/dev/mail/"]:
            assert browser.get(page).status_code == 200, page
    headers = {"Authorization": f"Bearer {key}"}
    calls = [CALL, CALL | {"model": "a-model-of-tomorrow"}, CALL | {"provider": "nobody"}]
    sent = httpx.post(f"{group.url}/v1/events", json=calls, headers=headers, timeout=30)
    assert sent.json()["accepted"] == 3
    assert httpx.get(f"{group.url}/v1/usage", headers=headers, timeout=30).status_code == 200
    forged = {"GITHUB-PUBLIC-KEY-IDENTIFIER": "x", "GITHUB-PUBLIC-KEY-SIGNATURE": "eA=="}
    assert httpx.post(f"{group.url}/v1/keys/leaked", json=[], headers=forged).status_code == 401
    eventually(
        lambda: group.look("SELECT count(*) FROM events_delta") == [(0,)], 30, "everything folded"
    )
    eventually(lambda: list((group.data_dir / "mail").glob("*")), 30, "the mail")


def test_nothing_but_the_registration_leaves_it_and_that_only_when_asked(installation, registry):
    use_everything(installation)

    assert manage(installation, "register", *ADA, "--dry-run")
    assert strangers(installation) == []
    assert registry.received == []

    for _ in range(2):
        manage(installation, "register", *ADA)

    look_up, connection = strangers(installation)
    assert (look_up["event"], look_up["told"]) == ("socket.getaddrinfo", "('127.0.0.9',)")
    assert connection["event"] == "socket.connect"
    assert connection["told"] == f"(('127.0.0.9', {registry.port}),)"
    assert "manage.py register" in look_up["by"]
    assert "manage.py register" in connection["by"]
    [request] = registry.received
    assert request == manage(installation, "register", *ADA, "--dry-run")
    # The log would be as empty if nobody had written it.
    started = {line["by"] for line in installation.connections() if line["event"] == "start"}
    for process in ("llmcost.up", "granian", "worker", "beat", "createowner"):
        assert any(process in by for by in started), process
    assert any("127.0.0.1" in line["told"] for line in installation.connections())
    # What libpq does is not seen by Python: all of it comes to the database's own socket.
    assert installation.look(
        "SELECT count(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL"
    ) == [(0,)]
