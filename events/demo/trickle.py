"""A slow live trickle of small calls, so that the demo moves: `python -S -m events.demo.trickle`.

Reads its key from standard input, runs until SIGTERM, and loads no Django: it stays in memory for
as long as the product runs.
"""

import random
import signal
import sys
import time
from types import FrameType

from events.demo.traffic import live
from events.demo.wire import Refused, Sender, Unreachable

# Somebody is looking: every few seconds. Later slower, so that a machine left running overnight
# does not bury the 30 days under its own calls.
LIVELY_FOR_SECONDS = 3_600.0
LIVELY_PAUSE, CALM_PAUSE = (2.0, 6.0), (12.0, 20.0)
TIMEOUT_SECONDS = 5.0
PATIENCE_SECONDS = 30.0


def main(url: str) -> None:
    """Send a call now and then, until somebody ends this process."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    sender = Sender(url, sys.stdin.readline().strip(), timeout=TIMEOUT_SECONDS)
    began = time.monotonic()
    for event in live():
        try:
            sender.send([event], patience=PATIENCE_SECONDS)
        except Unreachable:
            continue  # the site is away; the next call is a new one
        except Refused as refused:
            # Somebody has revoked the key: a wish, so nothing more is sent until the next start.
            sys.stdout.write(f"The demo's trickle stops: {refused}.\n")
            sys.stdout.flush()
            signal.pause()
        is_lively = time.monotonic() - began < LIVELY_FOR_SECONDS
        pause = LIVELY_PAUSE if is_lively else CALM_PAUSE
        time.sleep(random.uniform(*pause))  # noqa: S311 - nothing secret


def _leave(_signum: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
