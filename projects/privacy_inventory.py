"""What we hold of projects and keys."""

from llmcost.inventory import Basis, Category, Declared, Inventory, Retention, Subject, columns


def _customer(category: Category, purpose: str) -> Declared:
    return Declared(category, Subject.CUSTOMER, purpose, Basis.CONTRACT, Retention.ACCOUNT)


INVENTORY: Inventory = {
    "projects_project": columns(
        "id account_id slug name timezone created_at archived_at retention_days",
        _customer(Category.SETTING, "what calls are counted under"),
    ),
    "projects_apikey": {
        **columns(
            "digest", _customer(Category.CREDENTIAL, "recognising a key (keyed hash, not the key)")
        ),
        **columns(
            "id account_id project_id name note hint scopes created_by_id created_at rotated_at"
            " expires_at revoked_at",
            _customer(Category.SETTING, "managing keys"),
        ),
        **columns("last_used_at", _customer(Category.ACTIVITY, "finding keys nobody uses")),
    },
}
