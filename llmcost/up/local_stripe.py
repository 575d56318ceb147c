"""The Stripe of local mode: one more process of the group, which speaks HTTP as Stripe does.

It belongs to somebody's own machine only: with a key of Stripe's, or a public address, or without
the package that does the work (`requirements/local.txt`), it is not started.
"""

import os
import signal
import socket
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from llmcost.installation import LOCAL_STRIPE_PORT, open_installation
from llmcost.up.preflight import HOST
from llmcost.up.supervisor import Program, Supervisor

STATE_FILE = "stripe.state"
WEBHOOK_PATH = "/billing/webhook/"


def is_wanted() -> bool:
    """Whether this group sells with a Stripe of its own."""
    asked_otherwise = ("STRIPE_SECRET_KEY", "PUBLIC_URL")
    if any(os.environ.get(name) for name in asked_otherwise):
        return False
    if os.environ.get("LOCAL_STRIPE") == "off" or os.environ.get("DEPLOYMENT") == "self-hosted":
        return False
    return find_spec("localstripe") is not None


def program(supervisor: Supervisor, data_dir: Path, web_port: int) -> Program | None:
    """Say where it will be and return what starts it, or take care that nobody looks for it."""
    port_file = data_dir / LOCAL_STRIPE_PORT
    if not is_wanted():
        port_file.unlink(missing_ok=True)
        return None
    port = _free_port(port_file)
    port_file.write_text(f"{port}\n")
    command = supervisor.python(
        "devtools/localstripe",
        *("--port", str(port)),
        *("--state", str(data_dir / STATE_FILE)),
        *("--webhook", f"http://{HOST}:{web_port}{WEBHOOK_PATH}"),
        LOCAL_STRIPE_WEBHOOK_SECRET=open_installation(data_dir).secret_for("stripe webhooks"),
    )
    return Program(name="stripe", start=command, stage=1, stop_signal=signal.SIGTERM, patience=5.0)


def _free_port(port_file: Path) -> int:
    """Return the port of the last start if it is still free, else one that is."""
    for wanted in (_last_port(port_file), 0):
        try:
            with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, wanted))
                return int(probe.getsockname()[1])
        except OSError:
            continue  # taken meanwhile
    raise AssertionError("the kernel always has a free port")


def _last_port(port_file: Path) -> int:
    try:
        return int(port_file.read_text())
    except (OSError, ValueError):
        return 0
