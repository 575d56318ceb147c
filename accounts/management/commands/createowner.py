"""`manage.py createowner`: see accounts/company/owners.py."""

import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.urls import reverse

from accounts.company.owners import make_owner
from accounts.sign_in.forms import NAME_LENGTH
from accounts.support.staff import AddressTaken


class Command(BaseCommand):
    """Make an account and its owner."""

    help = (
        "Make a company's account and its owner, who invites the others; for an installation with"
        " DEPLOYMENT=self-hosted, where nobody signs up. The address counts as confirmed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", required=True, help="of the person")
        parser.add_argument("--company", required=True)
        parser.add_argument(
            "--password-stdin", action="store_true", help="read a password from standard input"
        )

    def handle(
        self,
        *_args: Any,
        email: str,
        name: str,
        company: str,
        password_stdin: bool,
        **_options: Any,
    ) -> None:
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
        for what, text in (("--name", name), ("--company", company)):
            if not 0 < len(text.strip()) <= NAME_LENGTH or not text.isprintable():
                raise CommandError(f"{what} takes 1 to {NAME_LENGTH} printable characters.")
        try:
            validate_email(email)
            owner = make_owner(email=email, name=name, company=company, password=password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except AddressTaken:
            raise CommandError(f"{email.lower()} has an account here already.") from None
        how = (
            f"sign in at {settings.PUBLIC_URL}{reverse('account_login')}"
            if owner.has_usable_password()
            else f"set a password at {settings.PUBLIC_URL}{reverse('account_reset_password')}"
        )
        self.stdout.write(f"Made {owner.email}, who owns {company}; {how}.")
