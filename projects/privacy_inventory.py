"""What we hold of projects and keys."""

from llmcost.inventory import (
    Basis,
    Category,
    Declared,
    Inventory,
    Retention,
    Subject,
    columns,
    described,
)


def _customer(category: Category, purpose: str) -> Declared:
    return Declared(category, Subject.CUSTOMER, purpose, Basis.CONTRACT, Retention.ACCOUNT)


INVENTORY: Inventory = {
    "projects_project": described(
        _customer(Category.SETTING, "what calls are counted under"),
        id="number of the project",
        account_id="number of the account",
        slug="its name in addresses",
        name="its name",
        timezone="the time zone in which its days begin",
        created_at="when it was made",
        archived_at="since when it takes in nothing",
        retention_days="after how many days calls are deleted; empty: they are kept",
    ),
    "projects_apikey": {
        **columns(
            "digest", _customer(Category.CREDENTIAL, "recognising a key (keyed hash, not the key)")
        ),
        **described(
            _customer(Category.SETTING, "managing keys"),
            id="number of the key",
            account_id="number of the account",
            project_id="number of the project that it speaks for",
            name="its name",
            note="your note about it",
            hint="its first and last characters",
            scopes="what it may be used for",
            created_by_id="number of the person who made it",
            created_at="when it was made",
            rotated_at="when another key took its place",
            expires_at="from when on it opens nothing",
            revoked_at="when it was closed for good",
        ),
        **described(
            _customer(Category.ACTIVITY, "finding keys nobody uses"),
            last_used_at="when it was last used, to the minute",
        ),
    },
}
