"""`make up`: check, start PostgreSQL, prepare, start web, worker and scheduler, stay with them."""

import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from llmcost.installation import open_installation
from llmcost.up import CannotStart, banner, local_stripe, preflight, prepare
from llmcost.up.postgres import EmbeddedPostgres
from llmcost.up.processes import end_marked
from llmcost.up.supervisor import Program, StopRequested, Supervisor

BASE_DIR = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 120.0
# Long enough for a migration that was interrupted to notice, short enough for a restart.
LEFTOVER_GRACE = 3.0
# Two processes for two cores; threads wait for the database, not for the processor.
WEB_WORKERS = 2
WEB_THREADS = 4
# Requests that one web process accepts before the next wait in the socket.
WEB_BACKPRESSURE = 64
# One for what is long, one that keeps the heartbeat and the folding going meanwhile.
WORKER_THREADS = 2


def main() -> int:
    """Run the group until somebody stops it; 1 when it cannot start."""
    began = time.monotonic()
    try:
        return _run(began)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1


def _run(began: float) -> int:
    data_dir = Path(os.environ.get("LLMCOST_DATA") or BASE_DIR / ".data").absolute()
    port = preflight.port_from(dict(os.environ))
    with preflight.claimed(data_dir):
        end_marked(data_dir, grace=LEFTOVER_GRACE)
        preflight.check_port(port)
        os.environ |= {"LLMCOST_DATA": str(data_dir), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
        # glibc would keep one heap a thread, tens of megabytes in each process.
        os.environ.setdefault("MALLOC_ARENA_MAX", "2")
        # Django's system checks are for developers and run in `make lint`.
        os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
        preflight.check_public(dict(os.environ), open_installation(data_dir))
        with Supervisor(data_dir) as supervisor:
            try:
                _start(supervisor, data_dir, port, began)
                supervisor.tend()
            except StopRequested:
                pass
    return 0


def _start(supervisor: Supervisor, data_dir: Path, port: int, began: float) -> None:
    if not _outside_database():
        _start_postgres(supervisor, EmbeddedPostgres(data_dir))
    stripe = local_stripe.program(supervisor, data_dir, port)
    steps = [
        lambda: _prepare(supervisor),
        lambda: supervisor.start(_web(supervisor, port)),
        lambda: supervisor.start(_worker(supervisor)),
    ]
    # Usually nothing has changed, and then there is nothing that web and worker must wait for.
    if prepare.was_prepared(data_dir):
        steps.append(steps.pop(0))
    for step in steps:
        step()
    if not supervisor.wait_until(lambda: _is_ready(port), timeout=READY_SECONDS, every=0.1):
        raise CannotStart(
            f"The site did not become ready in {READY_SECONDS:.0f} s; the lines above say why."
        )
    # Not needed for the first page, so they do not compete with it for the processor.
    supervisor.start(_scheduler(supervisor))
    if stripe is not None:
        supervisor.start(stripe)
    banner.show_address(port, time.monotonic() - began)
    # Its password is known to everybody: only on somebody's own machine.
    if os.environ.get("DEMO", "").lower() != "off" and "PUBLIC_URL" not in os.environ:
        _show_demo(supervisor, port)


def _outside_database() -> bool:
    return bool(os.environ.get("DATABASE_URL") or os.environ.get("APP_DATABASE_URL"))


def _start_postgres(supervisor: Supervisor, postgres: EmbeddedPostgres) -> None:
    # One that outlived its supervisor is not our child: nobody would notice its death.
    postgres.stop()
    supervisor.start(
        Program(
            name="postgres",
            start=postgres.spawn,
            stage=2,
            stop_signal=signal.SIGINT,  # "fast": disconnects clients, writes a checkpoint
            patience=20.0,
        )
    )
    if not supervisor.wait_until(lambda: postgres.is_ready, timeout=60.0, every=0.02):
        raise CannotStart("PostgreSQL did not start in 60 s; the lines above say why.")


def _prepare(supervisor: Supervisor) -> None:
    with tempfile.TemporaryFile() as complaints:
        command = supervisor.python("-m", "llmcost.up.prepare", stderr=complaints.fileno())
        code = supervisor.run(Program(name="prepare", start=command, restart=False))
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip()
    if code == os.EX_CONFIG:
        raise CannotStart(said)
    for line in said.splitlines():
        supervisor.say("prepare", line)
    if code:
        raise CannotStart("The database could not be prepared; the lines above say why.")


def _web(supervisor: Supervisor, port: int) -> Program:
    arguments = {
        "--interface": "wsgi",
        "--host": preflight.HOST,
        "--port": str(port),
        "--http": "1",
        "--workers": str(WEB_WORKERS),
        "--blocking-threads": str(WEB_THREADS),
        # A client that sends its headers by the drop does not keep a connection.
        "--http1-header-read-timeout": "10000",
        "--backpressure": str(WEB_BACKPRESSURE),
        "--respawn-interval": "0.1",
        "--workers-kill-timeout": "8",
        "--log-level": "warning",
    }
    flags = [part for pair in arguments.items() for part in pair]
    command = supervisor.python(
        *("-m", "granian", *flags, "--no-ws", "--respawn-failed-workers"),
        "llmcost.wsgi:application",
    )
    return Program(name="web", start=command, stage=0, patience=10.0)


def _worker(supervisor: Supervisor) -> Program:
    command = supervisor.python(
        *("-m", "celery", "--quiet", "--app=llmcost", "worker"),
        "--pool=threads",
        f"--concurrency={WORKER_THREADS}",
        "--loglevel=warning",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        LLMCOST_DATABASE_ROLE="worker",
    )
    return Program(name="worker", start=command, stage=1, patience=10.0)


def _scheduler(supervisor: Supervisor) -> Program:
    command = supervisor.python(
        "-m", "celery", "--quiet", "--app=llmcost.schedule", "beat", "--loglevel=warning"
    )
    return Program(name="scheduler", start=command, stage=0, patience=5.0)


def _is_ready(port: int) -> bool:
    """Whether /readyz answers 200: database, migrations and a worker's heartbeat are there.

    By hand, because http.client would cost the supervisor four megabytes for ever.
    """
    host = urlsplit(os.environ.get("PUBLIC_URL", "")).hostname or preflight.HOST
    try:
        with socket.create_connection((preflight.HOST, port), timeout=2.0) as connection:
            connection.sendall(
                f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def _show_demo(supervisor: Supervisor, port: int) -> None:
    """Fill the demo workspace, say how to get in, then keep a trickle of calls going."""
    said = _answer(supervisor, "seed_demo")
    key = _answer(supervisor, "demo_key")
    if key:
        banner.show_demo(port, said, key)
    if _has_command("demo_traffic"):
        traffic = supervisor.python("manage.py", "demo_traffic")
        supervisor.start(Program(name="demo", start=traffic, patience=3.0))


def _answer(supervisor: Supervisor, command: str) -> str:
    """Run a management command and return what it prints; its log lines are forwarded."""
    if not _has_command(command):
        return ""
    with tempfile.TemporaryFile() as answer:
        ask = supervisor.python("manage.py", command, stdout=answer.fileno())
        supervisor.run(Program(name="demo", start=ask, restart=False))
        answer.seek(0)
        return answer.read().decode().strip()


def _has_command(name: str) -> bool:
    return any(BASE_DIR.glob(f"*/management/commands/{name}.py"))


if __name__ == "__main__":
    sys.exit(main())
