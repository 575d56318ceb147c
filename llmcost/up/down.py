"""`make down`: stop the group of a data directory, also what a killed supervisor has left."""

import os
import signal
import sys
import time
from pathlib import Path

from llmcost.up import preflight
from llmcost.up.postgres import EmbeddedPostgres
from llmcost.up.processes import end_marked, signal_quietly

# Longer than the supervisor takes for all stages together.
PATIENCE = 60.0
PROJECT_DIR = Path(__file__).resolve().parent.parent.parent


def stop_group(data_dir: Path) -> str:
    """Stop everything that runs for this data directory; return one line that says what."""
    supervisor = preflight.holder_of(data_dir)
    if supervisor is not None:
        signal_quietly(supervisor, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while preflight.holder_of(data_dir) == supervisor and time.monotonic() < deadline:
            time.sleep(0.05)
    left = end_marked(data_dir, grace=3.0)
    postgres = EmbeddedPostgres(data_dir)
    left += postgres.pid is not None
    postgres.stop()
    if supervisor is not None:
        return "Stopped."
    return f"Stopped {left} left-over processes." if left else "Nothing was running."


if __name__ == "__main__":
    print(stop_group(Path(os.environ.get("LLMCOST_DATA") or PROJECT_DIR / ".data").absolute()))
    sys.exit(0)
