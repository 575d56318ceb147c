"""Counts in this process, and writes them down once a minute in a thread of its own.

A request only adds to a dictionary: some twenty microseconds and no statement.
"""

import hashlib
import hmac
import logging
import secrets
import threading
from collections import Counter
from datetime import date

from django.conf import settings
from django.db import DatabaseError, connection

from llmcost import clock

logger = logging.getLogger(__name__)

# Marks held between two minutes; a flood of addresses must not fill the memory.
MOST_MARKS = 50_000

_lock = threading.Lock()
_counts: Counter[tuple[date, str, str]] = Counter()
_marks: set[tuple[date, int]] = set()
# The day and its secret; replaced by the thread, dropped when the day is over.
_salt: tuple[date, bytes] | None = None
_thread: threading.Thread | None = None

SALT = """
    INSERT INTO privacy_dailysalt (day, salt) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""
COUNT = """
    INSERT INTO privacy_usecount (day, kind, name, times) VALUES (%s, %s, %s, %s)
    ON CONFLICT (day, kind, name) DO UPDATE SET times = privacy_usecount.times + excluded.times
"""
MARK = "INSERT INTO privacy_visitormark (day, mark) VALUES (%s, %s) ON CONFLICT DO NOTHING"
# Yesterday's marks become a number; they and their secret are thrown away.
CLOSE = """
    WITH gone AS (DELETE FROM privacy_visitormark WHERE day < %(today)s RETURNING day),
         salts AS (DELETE FROM privacy_dailysalt WHERE day < %(today)s)
    INSERT INTO privacy_visitorcount (day, visitors) SELECT day, count(*) FROM gone GROUP BY day
    ON CONFLICT (day) DO UPDATE SET visitors = privacy_visitorcount.visitors + excluded.visitors
"""


def count(kind: str, name: str, *, address: str, browser: str) -> None:
    """Count one view or use; `address` and `browser` leave this function as a mark only."""
    _keep_writing()
    today = clock.now().date()
    salt = _salt
    with _lock:
        _counts[today, kind, name] += 1
        if salt is not None and salt[0] == today and len(_marks) < MOST_MARKS:
            _marks.add((today, _mark(salt[1], address, browser)))


def _mark(salt: bytes, address: str, browser: str) -> int:
    digest = hmac.new(salt, f"{address}\0{browser}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], signed=True)


def write_down() -> None:
    """Add what was counted to the tables, close the days that are over, get today's secret."""
    global _salt
    with _lock:
        counts, marks = _counts.copy(), set(_marks)
        _counts.clear()
        _marks.clear()
    today = clock.now().date()
    with connection.cursor() as cursor:
        if counts:
            cursor.executemany(COUNT, [(*key, times) for key, times in sorted(counts.items())])
        if marks:
            cursor.executemany(MARK, sorted(marks))
        close_days(today)
        if _salt is None or _salt[0] != today:
            _salt = None
            cursor.execute(SALT, [today, secrets.token_bytes(32)])
            cursor.execute("SELECT salt FROM privacy_dailysalt WHERE day = %s", [today])
            _salt = (today, bytes(cursor.fetchone()[0]))


def close_days(today: date) -> None:
    """Turn the marks of days that are over into numbers, and throw away their secrets."""
    with connection.cursor() as cursor:
        cursor.execute(CLOSE, {"today": today})


def forget() -> None:
    """Forget what this process has counted and knows."""
    global _salt
    with _lock:
        _counts.clear()
        _marks.clear()
        _salt = None


def _keep_writing() -> None:
    """Start the thread with the first view: the server forks before it answers."""
    global _thread
    if _thread is None and settings.COUNT_USE_EVERY_SECONDS:
        with _lock:
            if _thread is None:
                _thread = threading.Thread(target=_write_for_ever, name="use", daemon=True)
                _thread.start()


def _write_for_ever() -> None:
    pause = threading.Event()
    while True:
        try:
            write_down()
        except DatabaseError:
            logger.warning("use_not_counted")  # what this minute held is lost, and no harm done
        finally:
            connection.close()
        pause.wait(settings.COUNT_USE_EVERY_SECONDS)
