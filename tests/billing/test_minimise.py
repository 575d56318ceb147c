"""Marks in every field of every object, by every way in: only what may be kept stays."""

import contextlib
import json
import re
from typing import Any

import pytest
import stripe
from django.apps import apps
from django.core import mail
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models.signals import pre_save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import StripeEvent
from billing.stripe import allowed, inbox, mirror, reconcile, record
from llmcost.tenancy.context import tenant
from tests.billing.canaries import LAST4, MARK, canary_object
from tests.billing.conftest import KEY, event_about

MODELS = apps.get_app_config("djstripe").get_models(include_auto_created=True)
TABLES = {model._meta.db_table: model for model in MODELS}
IP = "203.0.113.7"
CLASSES = {
    "customer": stripe.Customer,
    "invoice": stripe.Invoice,
    "invoiceitem": stripe.InvoiceItem,
    "payment_method": stripe.PaymentMethod,
    "price": stripe.Price,
    "product": stripe.Product,
    "subscription": stripe.Subscription,
    "tax_id": stripe.TaxId,
}


def everything_stored() -> str:
    """Every row of every table that this role may read, as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
            "AND relkind IN ('r', 'p') AND NOT relispartition "
            "AND has_table_privilege(oid, 'SELECT') ORDER BY 1"
        )
        tables = [name for (name,) in cursor.fetchall()]
        rows = " UNION ALL ".join(f'SELECT to_jsonb(t)::text FROM "{name}" t' for name in tables)
        cursor.execute(rows)
        return "\n".join(row for (row,) in cursor.fetchall())


def marked_row(model: type[models.Model]) -> models.Model:
    """A row whose every column that can hold text or JSON holds a mark."""
    kind = getattr(model, "stripe_class", None)
    whole = canary_object(kind) if kind and kind.__annotations__ else {}
    row = model()
    for field in model._meta.concrete_fields:
        if field.is_relation:
            # Checked when a transaction commits, which this one does not.
            target = field.target_field.get_internal_type()
            setattr(row, field.attname, "id_1" if target == "CharField" else 1)
        elif isinstance(field, models.JSONField):
            setattr(row, field.attname, whole | {"note": MARK, "deep": {"id": MARK, "a": [MARK]}})
        elif field.column == "id" and isinstance(field, models.CharField):
            setattr(row, field.attname, "x1")
        elif field.column in allowed.COLUMNS and isinstance(field, models.CharField):
            setattr(row, field.attname, "usd")
        elif isinstance(field, models.CharField | models.TextField):
            setattr(row, field.attname, MARK)
        elif isinstance(field, models.GenericIPAddressField):
            setattr(row, field.attname, IP)
        elif isinstance(field, models.BooleanField) and not field.null:
            setattr(row, field.attname, False)
        elif isinstance(field, models.DecimalField | models.IntegerField) and not field.primary_key:
            setattr(row, field.attname, 1)
        elif isinstance(field, models.DateTimeField) and not field.null:
            setattr(row, field.attname, "2026-11-24T00:00Z")
    return row


def stored(model: type[models.Model]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT to_jsonb(t)::text FROM "{model._meta.db_table}" t')
        [(text,)] = cursor.fetchall()
    return text


@pytest.fixture
def without_python():
    """The first layer away: what is saved reaches the database as it is."""
    assert pre_save.disconnect(dispatch_uid="billing.minimise")
    yield
    pre_save.connect(mirror.minimise_before_save, dispatch_uid="billing.minimise")


def what_stays() -> dict[str, list[str]]:
    """Which marks stay of a row in each table where one does."""
    left = {}
    for table, model in TABLES.items():
        with transaction.atomic():
            models.Model.save(marked_row(model))  # one class has a `save` that saves nothing
            text = stored(model)
            transaction.set_rollback(True)  # what it refers to is not there
        if MARK in text or IP in text:
            left[table] = sorted(set(re.findall(rf'{MARK}[^"]*|{IP}', text)))
    return left


def test_of_a_marked_row_nothing_stays(as_worker, db):
    assert len(TABLES) >= 60
    assert what_stays() == {}


def test_nothing_stays_without_the_first_layer(as_worker, db, without_python):
    assert what_stays() == {}


def test_nothing_stays_without_the_triggers(as_owner, db):
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')

    assert what_stays() == {}


def test_without_any_layer_all_of_it_would_stay(as_owner, db, without_python):
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')

    # The marks do reach the tables, so the tests above would notice.
    assert len(what_stays()) > 55


def test_an_update_by_hand_leaves_nothing_either(as_worker, db):
    customer = TABLES["djstripe_customer"]
    customer(id="cus_1").save()

    customer.objects.update(email=MARK, stripe_data={"id": "cus_1", "name": MARK}, metadata=[MARK])

    assert MARK not in stored(customer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.sampled_from(["", "a", "id"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "a", "b"]), below, max_size=3)
    ),
    max_leaves=12,
)
PATHS = st.recursive(
    st.just(True),
    lambda below: st.dictionaries(st.sampled_from(["id", "a", "b"]), below, max_size=3),
    max_leaves=6,
)


@given(value=JSON, paths=PATHS)
def test_what_was_cut_once_is_not_cut_again(value: Any, paths: Any):
    once = allowed.minimise(value, paths)

    assert allowed.minimise(once, paths) == once


@pytest.fixture
def in_sql(as_worker, db):
    """The database's own function."""

    def ask(value: Any, paths: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT llmcost_minimise(%s::jsonb, %s::jsonb)::text",
                [json.dumps(value), json.dumps(paths)],
            )
            return json.loads(cursor.fetchone()[0])

    return ask


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, paths=PATHS)
def test_both_layers_keep_the_same_of_anything(in_sql, value: Any, paths: Any):
    assert in_sql(value, paths) == allowed.minimise(value, paths)


def test_both_layers_keep_the_same_of_every_kind(in_sql):
    for kind, of in CLASSES.items():
        whole = canary_object(of, expand=2)

        assert in_sql(whole, allowed.PATHS[kind]) == allowed.of_object(whole)


# --- The ways in -----------------------------------------------------------------------------
@pytest.fixture
def paying(as_worker, acme, at_stripe):
    """Acme with a customer at Stripe, every object of which is marked all over."""
    for of in CLASSES.values():
        at_stripe.put(canary_object(of))
    price = canary_object(stripe.Price) | {"metadata": {"plan": "team"}}
    at_stripe.objects["sub_1"]["items"]["data"][0]["price"] = price
    at_stripe.objects["sub_1"] |= {"status": "active", "default_payment_method": "pm_1"}
    at_stripe.objects["in_1"]["lines"]["data"][0]["metadata"] = {"events": "7"}
    record.record(acme.account.pk, {"object": "customer", "id": "cus_1"})
    return acme


def assert_clean(account_id: int, log: str) -> None:
    with tenant(account_id):
        text = everything_stored()
    assert set(re.findall(rf"{MARK}[\w.-]*", text)) == set()
    assert MARK not in log
    assert [one for one in mail.outbox if MARK in str(one.message())] == []
    # What was promised did arrive: this is not clean because it is empty.
    assert LAST4 in text
    assert "KEPT-Street 1" in text


def test_by_webhook_and_worker(paying, announce, log_lines, at_stripe):
    for kind, name in {
        "customer": "customer.updated",
        "subscription": "customer.subscription.updated",
        "tax_id": "customer.tax_id.updated",
        "invoice": "invoice.finalized",
        "payment_method": "payment_method.attached",
    }.items():
        [about] = [one for one in at_stripe.objects.values() if one["object"] == kind]
        assert announce(event_about(about, name)).status_code == 200

    assert inbox.work() == 5, list(StripeEvent.objects.values())

    assert_clean(paying.account.pk, log_lines())


def test_by_a_page_that_asked_stripe(acme, at_stripe, log_lines):
    """As the web's role: what the API returns is written without the detour of a webhook."""
    answers = [canary_object(of) for of in CLASSES.values()]

    record.record(acme.account.pk, *answers)

    assert_clean(acme.account.pk, log_lines())


def test_by_the_nightly_reconciliation(paying, log_lines):
    reconcile.reconcile(paying.account.pk)

    assert_clean(paying.account.pk, log_lines())


def test_by_dj_stripes_own_sync_command(paying, at_stripe, log_lines, capsys):
    """Its command saves whole objects, past our code: only the layers below stand in its way."""
    # What it cannot take although Stripe may send it.
    at_stripe.objects["cus_1"]["discount"] = None
    at_stripe.objects["txi_1"]["type"] = "eu_vat"

    call_command("djstripe_sync_models", "Customer", "Product", "Price", "PaymentMethod", "TaxId",
                 "Subscription", "Invoice", api_keys=[KEY])  # fmt: skip
    said = capsys.readouterr()

    assert said.err == ""
    saved = {table for table, model in TABLES.items() if model.objects.exists()}
    assert saved >= {
        f"djstripe_{kind}"
        for kind in ("customer", "invoice", "paymentmethod", "price", "product", "subscription")
    }
    assert_clean(paying.account.pk, log_lines())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM djstripe_apikey")
        assert cursor.fetchone() == (0,)


def test_by_a_forgotten_path_to_dj_stripes_view(paying, log_lines, rf):
    """Nothing leads there; were it called, it would keep no address, no header and no body."""
    from djstripe.models import WebhookEndpoint, WebhookEventTrigger

    endpoint = WebhookEndpoint.objects.create(
        id="we_1", url="https://example.com", enabled_events=["*"], status="enabled"
    )
    request = rf.post(
        "/", json.dumps({"id": "evt_CANARY", "livemode": False}), content_type="application/json",
        headers={"Stripe-Signature": "CANARY", "Cookie": "CANARY", "X-Forwarded-For": "203.0.113.7"},
    )  # fmt: skip
    with contextlib.suppress(Exception), transaction.atomic():
        WebhookEventTrigger.from_request(request, webhook_endpoint=endpoint)

    [trigger] = WebhookEventTrigger.objects.all()
    assert (trigger.body, trigger.headers, trigger.remote_ip) == ("", {}, "::")
    assert trigger.exception == trigger.traceback == ""
    assert WebhookEndpoint.objects.get().secret == "removed-we_1"


def test_our_key_is_never_kept(as_worker, db):
    from djstripe.models import Account, APIKey

    assert Account.get_or_retrieve_for_api_key(KEY) is None
    APIKey.objects.get_or_create_by_api_key(KEY)

    assert KEY not in everything_stored()
    assert APIKey.objects.get().secret.startswith("removed-djstripe_mk_")
