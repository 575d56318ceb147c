"""Registration of installations that companies run for themselves: by choice, e-mail and plan.

`sending` is their side of it, `receiving` ours.
"""

from billing import plans

# What may be asked for.
PLANS = tuple(plans.PLANS)
