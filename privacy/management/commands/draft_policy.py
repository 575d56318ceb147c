"""Start the next version of the privacy policy."""

from typing import Any

from django.core.management.base import BaseCommand

from llmcost import clock
from privacy.policy.drafting import draft


class Command(BaseCommand):
    help = (
        "Start the next version of the privacy policy from the newest one, with the tables that"
        " the inventory makes now; of a version that was started today, make the tables again."
    )

    def handle(self, **_options: Any) -> None:
        file, more = draft(clock.now().date())
        self.stdout.write(f"Drafted: {file.name}. Write its text and its summary.")
        if more:
            self.stdout.write(f"It is material, because it adds: {'; '.join(more)}.")
