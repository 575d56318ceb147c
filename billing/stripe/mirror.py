"""dj-stripe as we use it: what it saves is cut down first, and it keeps no key of ours.

Loaded where dj-stripe is: in the worker and for migrations, never in a web process.
"""

from typing import Any

from django.db.models import Model
from django.db.models.signals import pre_save
from djstripe.models import Account

from billing.stripe.allowed import minimise, rule_of


def arm() -> None:
    """Watch every save of dj-stripe's models; have it ask for our Stripe account no more."""
    pre_save.connect(minimise_before_save, dispatch_uid="billing.minimise")
    # All our objects belong to one Stripe account. Otherwise dj-stripe asks who that is with
    # each object that it saves, and for that writes the secret key itself into a table.
    Account.get_or_retrieve_for_api_key = staticmethod(_nobody)


def minimise_before_save(sender: type[Model], instance: Model, **_signal: Any) -> None:
    """Leave on the instance what its table may keep, so that no statement carries the rest."""
    if sender._meta.app_label != "djstripe":  # noqa: SLF001 - Django's own name for it
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
