"""Settings of the Celery app that a promise rests on."""

import logging
import time

import pytest
from kombu.exceptions import OperationalError

from llmcost.celery import TASK_SECONDS, VISIBILITY_SECONDS, _without_values, make_app
from tests.up.site import free_port


@pytest.fixture(autouse=True)
def _own_broker(settings):
    settings.CELERY_BROKER_URL = ""


def test_publishing_gives_up_after_two_seconds_when_the_broker_is_down():
    app = make_app(fixups=[], set_as_current=False)
    app.conf.broker_transport_options["conn_string"] = f"host=127.0.0.1 port={free_port()}"
    began = time.monotonic()

    with pytest.raises(OperationalError):
        app.send_task("events.tasks.fold_due")

    assert time.monotonic() - began < 3


def test_a_task_ends_before_its_message_is_delivered_again():
    assert TASK_SECONDS < VISIBILITY_SECONDS
    app = make_app(fixups=[], set_as_current=False)
    assert app.conf.task_time_limit == TASK_SECONDS
    assert app.conf.broker_transport_options["visibility_timeout"] == VISIBILITY_SECONDS


def test_a_failed_task_is_logged_without_its_values():
    record = logging.LogRecord("celery.app.trace", logging.ERROR, "", 1, "%(exc)s", None, None)
    record.args = {"name": "a.task", "description": "raised", "exc": "canary", "args": "canary"}

    _without_values(record)

    assert record.getMessage() == "task a.task raised"
