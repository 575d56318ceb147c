"""Registration of installations that companies run for themselves: by choice, e-mail and plan.

`sending` is their side of it, `receiving` ours.
"""

# What may be asked for; the names of billing's plans.
PLANS = ("free", "team", "business", "self_hosted")
