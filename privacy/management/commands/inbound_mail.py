"""Take one mail from a mail server's pipe."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from privacy.correspondence.mail import MAX_BYTES
from privacy.correspondence.services import receive_mail
from privacy.errors import NoMail
from privacy.models import Topic


class Command(BaseCommand):
    help = (
        "Read one mail (RFC 5322) from standard input into the letters. For a mail server's pipe:"
        " ends with 0 when it is kept or was kept before, 65 when it is no mail, 75 when it should"
        " be delivered again later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--topic",
            choices=Topic.values,
            default=Topic.PRIVACY,
            help="which of our addresses it was written to (default: privacy)",
        )

    def handle(self, *, topic: str, **_options: Any) -> None:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        try:
            thread = receive_mail(raw, topic=Topic(topic))
        except NoMail as error:
            raise CommandError(error.message, returncode=os.EX_DATAERR) from None
        except DatabaseError:
            # Its text can quote the mail, so it is not shown.
            raise CommandError(
                "The database does not take it now; deliver it again.", returncode=os.EX_TEMPFAIL
            ) from None
        self.stdout.write(f"Kept as {thread}." if thread else "Nothing to keep.")
