"""Scheduled work: one message per slot, however many schedulers there are."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import Celery
from django.db import connection, connections

from llmcost import schedule
from llmcost.celery import make_app
from llmcost.schedule import EVERY, RETRY_SECONDS, TickScheduler

TASK = "events.tasks.fold_due"


def app_with(broker_url: str) -> Celery:
    app = make_app(fixups=[], set_as_current=False)
    app.conf.update(broker_url=broker_url, broker_transport_options={"max_retries": 0})
    return app


@pytest.fixture
def in_memory():
    """An app whose broker is this process; `messages` counts what it holds."""
    app = app_with("memory://")
    _empty(app)  # other tests of this process publish there too
    yield app
    _empty(app)


def _empty(app: Celery) -> None:
    with app.connection() as broker:
        broker.default_channel.queue_declare("llmcost")
        broker.default_channel.queue_purge("llmcost")


def messages(app: Celery) -> int:
    with app.connection() as broker:
        return broker.default_channel.queue_declare("llmcost", passive=True).message_count


def slots(task: str = TASK) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT slot FROM llmcost_scheduletick WHERE task = %s ORDER BY slot", [task]
        )
        return [slot for (slot,) in cursor.fetchall()]


def test_three_schedulers_publish_each_slot_once(committed, in_memory):
    schedulers = [TickScheduler(app=in_memory) for _ in range(3)]

    def run(scheduler: TickScheduler) -> int:
        try:
            return sum(scheduler.claim(TASK, slot, 2) for slot in range(20))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as threads:
        published = sum(threads.map(run, schedulers))

    assert slots() == list(range(20))
    assert published == messages(in_memory) == 20


def test_a_tick_does_each_task_once_and_sleeps_until_the_next_slot(db, in_memory, time_machine):
    time_machine.move_to("2026-03-01T12:00:00.500Z", tick=False)
    scheduler = TickScheduler(app=in_memory)

    sleeps = [scheduler.tick() for _ in range(3)]

    assert sleeps == [pytest.approx(1.5)] * 3
    assert messages(in_memory) == len(EVERY)
    assert all(len(slots(task)) == 1 for task in EVERY)


def test_after_a_pause_only_the_current_slot_runs(db, in_memory, time_machine):
    scheduler = TickScheduler(app=in_memory, every={TASK: 2})
    time_machine.move_to("2026-03-01T12:00:00Z", tick=False)
    scheduler.tick()

    time_machine.move_to("2026-03-01T18:00:00Z", tick=False)
    scheduler.tick()

    assert messages(in_memory) == 2


def test_a_broker_that_is_down_leaves_the_slot_open(committed):
    scheduler = TickScheduler(app=app_with("pyamqp://127.0.0.1:1"), every={TASK: 2})

    assert scheduler.tick() == RETRY_SECONDS
    assert slots() == []


def test_every_scheduled_task_is_registered():
    from llmcost.celery import app

    app.loader.import_default_modules()

    assert set(EVERY) <= set(app.tasks)
    assert schedule.app.conf.beat_scheduler == "llmcost.schedule:TickScheduler"


def test_old_ticks_are_forgotten_and_the_slowest_tasks_slot_is_kept(db):
    from llmcost.tasks import forget_ticks

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO llmcost_scheduletick (task, slot, at)"
            " SELECT %s, day, now() - interval '1 minute' * (1440 * day + 1) FROM generate_series(0, 9) day",
            [TASK],
        )

    forget_ticks()

    assert slots() == [0, 1]
    assert max(EVERY.values()) <= 86_400
