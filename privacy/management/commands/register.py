"""`manage.py register`: see privacy/registration/sending.py."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from privacy.registration import PLANS, sending


class Command(BaseCommand):
    """Register this installation."""

    help = (
        "Send e-mail address and plan to LLM Cost Tracker, by choice, for a licence and news of"
        " updates. One HTTPS request; nothing else is ever sent."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--plan", required=True, choices=PLANS)
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be sent, and send nothing"
        )

    def handle(self, *_args: Any, email: str, plan: str, dry_run: bool, **_options: Any) -> None:
        try:
            validate_email(email)
            request = sending.request_bytes(settings.REGISTRATION_URL, email=email, plan=plan)
            if dry_run:
                self.stdout.write(request.decode(), ending="")
                return
            self.stdout.write(self._register(email, plan, request))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except sending.NotRegistered as error:
            raise CommandError(str(error)) from None

    def _register(self, email: str, plan: str, request: bytes) -> str:
        asked = {"email": email, "plan": plan}
        known = sending.stored_licence(settings.DATA_DIR)
        if known and known | asked == known:
            return f"Registered already: licence {known['licence']}. Nothing was sent."
        licence = sending.send(settings.REGISTRATION_URL, request)
        path = sending.store_licence(settings.DATA_DIR, licence | asked)
        return f"Registered: licence {licence['licence']}, kept in {path}."
