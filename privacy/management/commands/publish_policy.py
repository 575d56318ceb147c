"""Publish new versions of the privacy policy, the terms and the list of subprocessors."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from privacy.policy.publication import NOTICE_DAYS, PolicyRefused, publish


class Command(BaseCommand):
    help = (
        "Publish the versions in privacy/policy/ that are not published yet. A material one must"
        f" take effect at least {NOTICE_DAYS} days from now; every owner is mailed. Safe to repeat."
    )

    def handle(self, **_options: Any) -> None:
        try:
            made = publish()
        except PolicyRefused as error:
            raise CommandError(error.message) from None
        for one in made:
            told = "; every owner is being told" if one.is_announced else ""
            self.stdout.write(f"Published: {one}, in force from {one.effective}{told}.")
        if not made:
            self.stdout.write("Everything is published already.")
