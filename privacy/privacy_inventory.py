"""What keeping our promises makes us hold."""

from llmcost.inventory import (
    Basis,
    Category,
    Declared,
    Inventory,
    Retention,
    Subject,
    columns,
    technical,
)

INVENTORY: Inventory = {
    "privacy_publication": technical(
        "id kind version effective is_announced published_at told_up_to",
        "which versions of our documents are in force",
        Retention.ALWAYS,
    ),
    "privacy_notice": columns(
        "id account_id user_id kind version told_at",
        Declared(
            Category.ACTIVITY,
            Subject.MEMBER,
            "proof that a change was announced",
            Basis.LEGAL_DUTY,
            Retention.ACCOUNT,
        ),
    ),
}
