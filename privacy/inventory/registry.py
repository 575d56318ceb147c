"""Every app's inventory as one: what policy, exports, erasure and the record of processing read."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps

from llmcost.inventory import Declared, Inventory


@cache
def inventory() -> Inventory:
    """Return table -> column -> declaration. Raises ValueError if two apps declare one table."""
    merged: dict[str, dict[str, Declared]] = {}
    for app in apps.get_app_configs():
        if find_spec(f"{app.name}.privacy_inventory") is None:
            continue
        declared: Inventory = import_module(f"{app.name}.privacy_inventory").INVENTORY
        if twice := merged.keys() & declared.keys():
            raise ValueError(f"Declared twice: {', '.join(sorted(twice))}")
        merged |= {table: dict(columns) for table, columns in declared.items()}
    return merged


def declared_columns(table: str) -> dict[str, Declared] | None:
    """Return a table's declarations, None for an unknown one; `name_*` stands for a family."""
    everything = inventory()
    if table in everything:
        return dict(everything[table])
    for name, columns in everything.items():
        if name.endswith("*") and table.startswith(name[:-1]):
            return dict(columns)
    return None
