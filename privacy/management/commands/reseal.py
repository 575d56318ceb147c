"""`manage.py reseal`: see privacy/resealing.py."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from privacy.resealing import reseal


class Command(BaseCommand):
    help = (
        "Seal every stored secret with the newest of ENCRYPTION_KEYS, so that the older ones can be"
        " removed. Ends with 1 when a secret opens with none of them. Safe to repeat."
    )

    def handle(self, **_options: Any) -> None:
        held = renewed = lost = 0
        for one in reseal():
            self.stdout.write(f"{one.column}: {one.renewed} of {one.held} sealed anew")
            held, renewed, lost = held + one.held, renewed + one.renewed, lost + one.lost
        if lost:
            raise CommandError(
                f"{lost} secrets open with no key of ENCRYPTION_KEYS: the key that sealed them is"
                " missing. Remove none before it is found."
            )
        self.stdout.write(f"All {held} secrets open with the newest key ({renewed} sealed anew).")
