#!/usr/bin/env python
"""Django's command-line utility for administrative tasks."""

import os
import sys

# Commands that ask Stripe or read what is kept of its objects: the worker's role alone may.
AS_WORKER = {"verify_billing", "djstripe_sync_models"}


def main() -> None:
    """Run administrative tasks."""
    if AS_WORKER & set(sys.argv[1:2]):
        os.environ.setdefault("LLMCOST_DATABASE_ROLE", "worker")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmcost.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
