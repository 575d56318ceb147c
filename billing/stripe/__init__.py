"""Stripe: what it announces, what of it is kept, and how the two stay the same."""
