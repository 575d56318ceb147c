"""Signals by which parts of privacy reach each other without knowing one another."""

from django.dispatch import Signal

# Sent when the calls of an erasure are gone, with `erasure`: who holds copies (exports) drops them.
erasing = Signal()
