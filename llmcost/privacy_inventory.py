"""What the platform's own and the framework's tables hold."""

from llmcost.inventory import (
    HELD_BY,
    Basis,
    Category,
    Declared,
    Inventory,
    Recipient,
    Retention,
    Subject,
    columns,
    technical,
)

_MESSAGES = "msg_id read_ct enqueued_at last_read_at vt message headers"

INVENTORY: Inventory = {
    "llmcost_duework": technical(
        "id kind account_id due_at", "finding accounts with work waiting", Retention.ACCOUNT
    ),
    "llmcost_scheduletick": technical("id task slot at", "one run a slot", Retention.DAY),
    "llmcost_heartbeat": technical("name at", "health of the worker", Retention.ALWAYS),
    "llmcost_outgoingmail": {
        **columns(
            "recipient subject text html unsubscribe_url",
            Declared(
                Category.CONTACT,
                Subject.MEMBER,
                "a mail on its way out; emptied when it is sent",
                Basis.CONTRACT,
                Retention.MINUTES,
                (*HELD_BY, Recipient.MAIL),
            ),
        ),
        **technical(
            "id message_id account_id once created_at next_try_at attempts sent_at",
            "sending each mail once",
            Retention.SIXTY_DAYS,
        ),
    },
    "llmcost_cache": technical(
        # Keys are hashed before they come here (llmcost.web.cache): they hold addresses.
        "cache_key value expires",
        "rate limits of public forms",
        Retention.MINUTES,
    ),
    "django_migrations": technical("id app name applied", "schema versions", Retention.ALWAYS),
    "django_content_type": technical("id app_label model", "framework", Retention.ALWAYS),
    # Messages of the job queue carry ids of accounts and nothing else.
    "pgmq.meta": technical(
        "queue_name is_partitioned is_unlogged created_at", "queues", Retention.ALWAYS
    ),
    "pgmq.q_*": technical(_MESSAGES, "waking a worker", Retention.MINUTES),
    "pgmq.a_*": technical(f"{_MESSAGES} archived_at", "waking a worker", Retention.DAY),
    "pgmq.notify_insert_throttle": technical(
        "queue_name throttle_interval_ms last_notified_at", "waking a worker", Retention.ALWAYS
    ),
    "pgmq.topic_bindings": technical(
        "pattern queue_name bound_at compiled_regex", "routing of messages", Retention.ALWAYS
    ),
}
