"""What keeps `make up` from starting is one sentence and exit code 1, and nothing stays behind."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmcost.up import CannotStart, preflight
from llmcost.up.processes import marked
from tests.up.site import free_port, run_up


def refusal(data_dir: Path, port: int | None = None, **extra: str) -> str:
    done = run_up(data_dir, port or free_port(), **extra)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert marked(data_dir) == []
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    return done.stderr.strip()


def test_a_taken_port_is_named_with_a_way_out(place):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        said = refusal(place / "data", port)

    assert said.startswith(f"Port {port} is taken by another program")
    assert f"PORT={port + 1} make up" in said


def test_a_port_that_is_no_port_is_named(place):
    assert refusal(place / "data", PORT="http").startswith("PORT must be a number")


def test_a_second_start_in_the_same_folder_names_the_first(place):
    with preflight.claimed(place / "data"):
        said = refusal(place / "data")

    assert said.startswith("It already runs in this folder (process ")
    assert "make down" in said


def test_a_directory_that_cannot_be_written_is_named():
    said = refusal(Path("/sys/llmcost-data"))  # not even root writes there

    assert said.startswith("/sys/llmcost-data cannot be written")
    assert "LLMCOST_DATA" in said


def test_a_full_disk_is_named(place, monkeypatch):
    monkeypatch.setattr(preflight, "NEEDED_BYTES", 1 << 60)

    with pytest.raises(CannotStart, match="is full"), preflight.claimed(place / "data"):
        pass


def test_an_unreachable_server_is_named_without_the_password(place):
    url = f"postgresql://somebody:secret-word@127.0.0.1:{free_port()}/llmcost"

    said = refusal(place / "data", DATABASE_URL=url)

    assert said.startswith("The PostgreSQL server of DATABASE_URL (127.0.0.1:")
    assert "secret-word" not in said


def test_a_server_that_is_too_old_is_refused(place):
    with server_of_version("14.9") as port:
        said = refusal(place / "data", DATABASE_URL=f"postgresql://x@127.0.0.1:{port}/llmcost")

    assert said.startswith("PostgreSQL 15 or newer is needed")
    assert "version 14" in said


@contextmanager
def server_of_version(version: str) -> Iterator[int]:
    """A server that lets anyone in, tells its version, and nothing more."""
    greeting = _message(b"R", struct.pack("!i", 0))
    for name, value in (("server_version", version), ("client_encoding", "UTF8")):
        greeting += _message(b"S", f"{name}\0{value}\0".encode())
    greeting += _message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I")

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # closed: the test is over
            with client:
                while (request := client.recv(4096))[4:8] in (
                    b"\x04\xd2\x16\x2f",
                    b"\x04\xd2\x16\x30",
                ):
                    client.sendall(b"N")  # neither TLS nor GSSAPI
                if request:
                    client.sendall(greeting)
                    client.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content
