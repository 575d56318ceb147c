"""Say of each promise whether it holds here, now."""

from typing import Any

from django.core.management.base import BaseCommand

from privacy.report import report


class Command(BaseCommand):
    help = "Say of each promise of the privacy policy whether it holds now; ends with 1 if not."

    def handle(self, **_options: Any) -> None:
        lines = report()
        for line in lines:
            state = "holds " if line.holds else "BROKEN"
            self.stdout.write(f"{state} {line.promise:>2}  {line.name} ({line.detail})")
        broken = sum(not line.holds for line in lines)
        self.stdout.write(f"{len(lines) - broken} of {len(lines)} hold.")
        if broken:
            raise SystemExit(1)
