"""dj-stripe as we use it: what it saves is cut down first, and it keeps no key of ours.

Loaded where dj-stripe is: in the worker and for migrations, never in a web process.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import stripe
from django.db.models import Model
from django.db.models.signals import pre_save
from djstripe import models
from djstripe._stripe_errors import object_is_absent
from djstripe.models.base import StripeModel

from billing.stripe import client
from billing.stripe.allowed import minimise, of_object, rule_of
from billing.stripe.record import account_of
from llmcost import clock


def arm() -> None:
    """Watch every save of dj-stripe's models; have it ask for our Stripe account no more."""
    client.api()  # dj-stripe asks by the same client
    pre_save.connect(minimise_before_save, dispatch_uid="billing.minimise")
    # All our objects belong to one Stripe account. Otherwise dj-stripe asks who that is with
    # each object that it saves, and for that writes the secret key itself into a table.
    models.Account.get_or_retrieve_for_api_key = staticmethod(_nobody)


def minimise_before_save(sender: type[Model], instance: Any, **_signal: Any) -> None:
    """Leave on the instance what its table may keep, so that no statement carries the rest."""
    if sender._meta.app_label != "djstripe":
        return
    rule = rule_of(sender)
    for column, nothing in rule.blank.items():
        setattr(instance, column, nothing)
    if "secret" in rule.blank:
        instance.secret = f"removed-{instance.id}"  # must be unique even when it is none any more
    for column, paths in rule.paths.items():
        value = getattr(instance, column)
        if value is not None:
            setattr(instance, column, minimise(value, paths))


def _nobody(_api_key: str) -> None:
    """Whose object it is: no row of a table says."""


MODELS: Mapping[str, type[StripeModel]] = {
    "customer": models.Customer,
    "invoice": models.Invoice,
    "payment_method": models.PaymentMethod,
    "subscription": models.Subscription,
    "tax_id": models.TaxId,
}


def fetch(kind: str, object_id: str) -> str | None:
    """Make the mirror's copy of one object what it is at Stripe now; raises StripeError.

    Always asked anew and never told by an event, so order, repeats and delays change nothing. What
    is gone at Stripe, and a card that nobody pays with any more, is gone here. Returns the customer
    whose it is or was.
    """
    model = MODELS[kind]
    try:
        found = model(id=object_id).api_retrieve()
    except stripe.InvalidRequestError as error:
        if not object_is_absent(error):
            raise
        found = {"deleted": True}
    return keep(kind, object_id, found)


def keep(kind: str, object_id: str, found: Any) -> str | None:
    """Make the mirror's copy of one object what the API has just returned of it."""
    model = MODELS[kind]
    if kind == "customer":
        _sync(model, found)
        return object_id
    copy = model.objects.filter(id=object_id)
    customer = found.get("customer")
    owner = customer if isinstance(customer, str) else customer and customer["id"]
    owner = owner or copy.values_list("customer_id", flat=True).first()
    if found.get("deleted") or (kind == "payment_method" and not found.get("customer")):
        copy.delete()
    else:
        if owner and not models.Customer.objects.filter(id=owner).exists():
            fetch("customer", owner)
        _sync(model, found)
    return owner


def _sync(model: type[StripeModel], found: Any) -> None:
    """Let dj-stripe save an object, and see no more of it than may be kept.

    It follows whatever an object refers to: with the whole invoice, ten requests to Stripe.
    """
    whole = found.to_dict() if hasattr(found, "to_dict") else found
    model.sync_from_stripe_data(stripe.convert_to_stripe_object(of_object(whole)))


def forget_others(customer_id: str, there: set[str]) -> None:
    """Forget a customer's cards and tax ids that are not at Stripe any more."""
    for model in (models.PaymentMethod, models.TaxId):
        model.objects.filter(customer_id=customer_id).exclude(id__in=there).delete()


def forget_strangers() -> int:
    """Forget customers whose account is gone, and those that never had one; return how many.

    What must be kept of them stands in `billing_invoice`. A day's grace: a page makes a customer at
    Stripe first and its account's row afterwards.
    """
    yesterday = clock.now() - timedelta(days=1)
    known = models.Customer.objects.filter(djstripe_updated__lt=yesterday)
    strangers = [
        customer_id
        for customer_id in known.values_list("id", flat=True).iterator()
        if account_of(customer_id) is None
    ]
    for customer_id in strangers:
        forget_customer(customer_id)
    # Cards that were taken from a customer, and whatever else belongs to nobody.
    models.PaymentMethod.objects.filter(customer=None, djstripe_updated__lt=yesterday).delete()
    return len(strangers)


def forget_customer(customer_id: str) -> None:
    """Delete the copies of a customer and of all that is theirs."""
    for model in (models.Invoice, models.Subscription, models.PaymentMethod, models.TaxId):
        model.objects.filter(customer_id=customer_id).delete()
    models.Customer.objects.filter(id=customer_id).delete()


def shown(kind: str, object_id: str, customer_id: str) -> list[dict[str, Any]]:
    """Return what pages show of an object of this kind, as the mirror has it."""
    match kind:
        case "customer":
            return [*_data(models.Customer, id=customer_id), _card(customer_id)]
        case "payment_method":
            return [_card(customer_id)]
        case "subscription":
            return [*_current(customer_id), _card(customer_id)]
        case "tax_id":
            newest = _data(models.TaxId, customer_id=customer_id)[-1:]
            return newest or [{"object": "tax_id", "id": "", "deleted": True}]
        case "invoice":
            gone = {"object": "invoice", "id": object_id, "deleted": True}
            return _data(models.Invoice, id=object_id) or [gone]
    return []


def _data(model: type[StripeModel], **which: Any) -> list[dict[str, Any]]:
    found = model.objects.filter(**which).order_by("created", "id")
    return list(found.values_list("stripe_data", flat=True))


def _current(customer_id: str) -> list[dict[str, Any]]:
    """Return the subscription that counts: one that has not ended before one that has."""
    every = _data(models.Subscription, customer_id=customer_id)
    every.sort(key=lambda one: one.get("ended_at") is None)  # the newest stays last
    return every[-1:]


def _card(customer_id: str) -> dict[str, Any]:
    """Return the card that is charged; an empty one if there is none."""
    customer = next(iter(_data(models.Customer, id=customer_id)), {})
    names = [one.get("default_payment_method") for one in _current(customer_id)]
    names.append((customer.get("invoice_settings") or {}).get("default_payment_method"))
    card_id = next((name for name in names if name), None)
    if card_id and not models.PaymentMethod.objects.filter(id=card_id).exists():
        fetch("payment_method", card_id)
    cards = _data(models.PaymentMethod, id=card_id) if card_id else []
    return cards[0] if cards else {"object": "payment_method", "id": ""}
