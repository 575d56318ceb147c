"""The event that ends the waiting of the onboarding page."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from events.sql import statement
from projects.models import Project


@dataclass(frozen=True, slots=True)
class FirstEvent:
    """A project's earliest event; `cost_usd` is None while no price is known for it."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    created_at: datetime

    @property
    def tokens(self) -> int:
        """What it used in all: the token classes are parts of these two."""
        return self.input_tokens + self.output_tokens


def first_event(project: Project) -> FirstEvent | None:
    """Return the earliest event by its own time, or None; inside `tenant()`."""
    with connection.cursor() as cursor:
        cursor.execute(
            statement("first_event"), {"account": project.account_id, "project": project.pk}
        )
        found = cursor.fetchone()
    return FirstEvent(*found) if found else None
