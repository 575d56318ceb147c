"""Signals by which parts of privacy reach each other without knowing one another."""

from django.dispatch import Signal

# Sent when something of an account is gone, with `account_id`: who holds copies drops them.
erasing = Signal()
