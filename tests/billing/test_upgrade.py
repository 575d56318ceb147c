"""A new dj-stripe is read by a person before it is used: what does it store that it did not?"""

import hashlib
from importlib.metadata import version

from django.apps import apps
from django.core.management import call_command

READ = {
    # Read `billing/stripe/allowed.py` beside the new version's models, then put it here.
    "version": "2.11.0",
    "tables and columns": "19e8648b8555747b",
}


def test_nothing_new_is_stored_unread():
    columns = sorted(
        f"{model._meta.db_table}.{field.column} {field.get_internal_type()}"
        for model in apps.get_app_config("djstripe").get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
    )

    assert {
        "version": version("dj-stripe"),
        "tables and columns": hashlib.sha256("\n".join(columns).encode()).hexdigest()[:16],
    } == READ


def test_our_one_migration_makes_what_its_models_want(db, capsys):
    """Fails where dj-stripe has changed a model: then its own migration must be read, and copied."""
    call_command("makemigrations", "djstripe", "--check", "--dry-run", verbosity=0)
