"""`manage.py createstaff`: see accounts/support/staff.py."""

import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.urls import reverse

from accounts.support.duties import Duty
from accounts.support.staff import AddressTaken, make_staff

# As one types them; the groups have longer names.
ROLES = {"support": Duty.SUPPORT, "privacy": Duty.PRIVACY, "finance": Duty.FINANCE}


class Command(BaseCommand):
    """Make or promote one member of support staff."""

    help = (
        "Make a user who may use the support admin, or let an existing user; the address counts "
        "as confirmed. Never makes a superuser. Run again to change the roles."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", required=True, help="of a new user; others keep theirs")
        parser.add_argument(
            "--role",
            required=True,
            action="append",
            choices=sorted(ROLES),
            help="what the person may see and do; may be given several times",
        )
        parser.add_argument(
            "--password-stdin", action="store_true", help="read a password from standard input"
        )

    def handle(
        self,
        *_args: Any,
        email: str,
        name: str,
        role: list[str],
        password_stdin: bool,
        **_options: Any,
    ) -> None:
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
        try:
            validate_email(email)
            duties = {ROLES[one] for one in role}
            staff = make_staff(email=email, name=name, duties=duties, password=password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except AddressTaken:
            raise CommandError("Somebody else has confirmed this address.") from None
        done = "Made" if staff.is_new else "Promoted"
        how = (
            f"sign in at {settings.PUBLIC_URL}{reverse('account_login')}"
            if staff.has_password
            else f"set a password at {settings.PUBLIC_URL}{reverse('account_reset_password')}"
        )
        roles = " and ".join(sorted(duties))
        self.stdout.write(
            f"{done} {staff.user.email} ({roles}), who may use the admin: {how}, then set up a"
            " second factor."
        )
