"""The Celery app. A message is only a wake-up: the truth is a row, and losing one loses nothing.

So results are ignored, a worker that dies has its task delivered again, and publishing gives up
after two seconds instead of holding up a request.
"""

import logging
import os
import threading
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.platforms import SecurityWarning
from celery.signals import setup_logging, task_postrun, task_prerun, worker_init
from django.conf import settings
from psycopg.conninfo import make_conninfo

from llmcost import logs
from llmcost.installation import open_installation
from llmcost.tenancy import roles

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmcost.settings")
# Running as root is supported; messages are JSON, so nobody becomes root through one.
warnings.filterwarnings("ignore", category=SecurityWarning)

QUEUE = "llmcost"
# Unacknowledged for so long, a message is delivered again; nothing extends it meanwhile.
VISIBILITY_SECONDS = 300
# So no task may take longer, or it would run twice at once. Long work comes in chunks.
TASK_SECONDS = 240

logger = logging.getLogger(__name__)


def make_app(**options: Any) -> Celery:
    """Return a Celery app that knows the broker; `options` go to its constructor."""
    app = Celery("llmcost", **options)
    app.conf.update(
        broker_url=settings.CELERY_BROKER_URL or "pgmq://localhost",
        broker_transport_options=_transport_options(),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=2,
        broker_heartbeat=0,
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=TASK_SECONDS,
        worker_prefetch_multiplier=1,
        # Remote control would leave two tables in the broker for every worker that ever ran.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        beat_scheduler="llmcost.schedule:TickScheduler",
        timezone="UTC",
    )
    return app


def _transport_options() -> dict[str, Any]:
    # Whoever publishes is told at once; the worker has its own patience (broker_connection_…).
    options: dict[str, Any] = {"max_retries": 0}
    url = settings.CELERY_BROKER_URL
    if url and not url.startswith("pgmq"):
        if url.startswith(("redis", "valkey")):
            options["visibility_timeout"] = VISIBILITY_SECONDS
        return options
    if not url:
        options["conn_string"] = _broker_login()
    return options | {
        "init_extension": False,  # the schema is installed by tenancy.roles
        "visibility_timeout": VISIBILITY_SECONDS,
        "wait_time_seconds": 0,
        "polling_interval": 1.0,
        "pool_size": 1,
        "pool_timeout": 2.0,
    }


def _broker_login() -> str:
    """Return how the broker role logs in to the database that the app uses."""
    database = settings.DATABASES["default"]
    if mode := database["OPTIONS"].get("sslmode"):
        os.environ.setdefault("PGSSLMODE", mode)  # the transport passes no such option on
    return make_conninfo(
        host=database["HOST"],
        port=database["PORT"] or None,
        dbname=database["NAME"],
        user=database["USER"].replace(f"llmcost_{settings.DATABASE_ROLE}", roles.BROKER),
        password=open_installation(settings.DATA_DIR).broker_password,
    )


app = make_app()
app.autodiscover_tasks()


@setup_logging.connect
def _configure_logging(**_: Any) -> None:
    logs.configure(settings.LOGGING)
    # About a default that is to change in Celery 6, told again at each lost connection.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    for noisy in ("celery", "kombu", "pgmq"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It tells each of its attempts to reconnect; the consumer says once that the broker is gone.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    logging.getLogger("celery.app.trace").addFilter(_without_values)


def _without_values(record: logging.LogRecord) -> bool:
    """Name a failed task and how it ended, but not its arguments nor its exception's text."""
    if isinstance(record.args, dict):
        record.msg = "task %(name)s %(description)s"
        record.args = {key: record.args.get(key, "?") for key in ("name", "description")}
    return True


@worker_init.connect
def _wake_by_notification(sender: Any, **_: Any) -> None:
    """Let a message wake the worker at once, instead of at the next poll.

    On our own server only: it takes a connection of its own, which no transaction-mode pooler
    gives. Whoever only publishes needs none.
    """
    options = sender.app.conf.broker_transport_options
    if "conn_string" in options and settings.DATABASES["default"]["HOST"].startswith("/"):
        options["use_notify"] = True


_watches: dict[str, threading.Timer] = {}


@task_prerun.connect
def _watch(task_id: str, task: Any, **_: Any) -> None:
    """End this worker process when a task outlives its time.

    Celery limits the time of tasks in processes of their own only, and ours are threads. The
    supervisor starts the worker again, and what was not acknowledged is delivered again.
    """
    watch = threading.Timer(TASK_SECONDS, _give_up, [task.name])
    watch.daemon = True
    _watches[task_id] = watch
    watch.start()


@task_postrun.connect
def _end_watch(task_id: str, **_: Any) -> None:
    if watch := _watches.pop(task_id, None):
        watch.cancel()


def _give_up(task_name: str) -> None:
    logger.critical("task_took_too_long", extra={"task": task_name, "seconds": TASK_SECONDS})
    os._exit(os.EX_SOFTWARE)
