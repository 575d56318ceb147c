"""Once a day each account's objects are asked for anew: what a lost webhook has not told."""

import logging
from datetime import timedelta
from itertools import chain, takewhile
from typing import Any

from django.db import transaction

from billing.models import BillingAccount, Invoice
from billing.stripe import client, mirror
from billing.stripe.inbox import lock
from billing.stripe.record import RECONCILE, RECONCILE_EVERY, record
from llmcost import clock
from llmcost.tenancy import due
from llmcost.tenancy.context import tenant

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
# So that a run ends well before its task's time does; the next one goes on.
RUN = timedelta(minutes=2)
# Older invoices are closed: nothing about them changes.
LOOK_BACK = timedelta(days=90)


def reconcile_due() -> int:
    """Reconcile the accounts whose day is over, for some minutes; return how many differed."""
    differed = 0
    for turn in due.turns(RECONCILE, lease=LEASE, within=RUN):
        try:
            differed += bool(reconcile(turn.account_id))
        except mirror.stripe.StripeError as error:
            # Stripe is away, or this account's objects are: the lease brings it back.
            kind = type(error).__name__
            logger.warning("not_reconciled", extra={"account": turn.account_id, "error": kind})
            continue
        turn.end(clock.now() + RECONCILE_EVERY)
    return differed


def reconcile(account_id: int) -> list[str]:
    """Ask Stripe for all that belongs to an account; return the names of what was different."""
    with tenant(account_id):
        row = BillingAccount.objects.filter(account_id=account_id).first()
    if row is None or not row.stripe_customer_id:
        return []
    customer_id = row.stripe_customer_id
    with transaction.atomic():
        lock(customer_id)
        before = _state(account_id)
        mirror.fetch("customer", customer_id)
        there = _everything(customer_id)
        for kind, one in there:
            mirror.keep(kind, one["id"], one)
        mirror.forget_others(customer_id, {one["id"] for _, one in there})
        kinds = ("customer", "subscription", "tax_id")
        objects = [mirror.shown(kind, "", customer_id) for kind in kinds]
        objects += [
            mirror.shown(kind, one["id"], customer_id) for kind, one in there if kind == "invoice"
        ]
        record(account_id, *chain.from_iterable(objects))
        after = _state(account_id)
    names = before.keys() | after.keys()
    changed = sorted(name for name in names if before.get(name) != after.get(name))
    if changed:
        logger.warning("reconciled", extra={"account": account_id, "changed": changed})
    return changed


def _everything(customer_id: str) -> list[tuple[str, Any]]:
    """Return every object of a customer's that pages show, and what kind it is."""
    stripe, whose = client.api(), {"customer": customer_id, "limit": 100}
    lists = {
        "payment_method": stripe.PaymentMethod.list(type="card", **whose),
        "subscription": stripe.Subscription.list(status="all", **whose),
        "tax_id": stripe.Customer.list_tax_ids(customer_id),
    }
    found = [(kind, one) for kind, page in lists.items() for one in page.auto_paging_iter()]
    since = (clock.now() - LOOK_BACK).timestamp()
    newest_first = stripe.Invoice.list(**whose).auto_paging_iter()
    return found + [
        ("invoice", one) for one in takewhile(lambda one: one["created"] >= since, newest_first)
    ]


def _state(account_id: int) -> dict[str, Any]:
    """Return what pages show of an account, by name."""
    with tenant(account_id):
        rows = BillingAccount.objects.filter(account_id=account_id).values()
        state = {name: value for row in rows for name, value in row.items() if name != "synced_at"}
        for invoice in Invoice.objects.filter(account_id=account_id).values():
            state[f"invoice {invoice['stripe_id']}"] = invoice
    return state
