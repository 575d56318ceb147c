"""Every act of buying and paying: Stripe is asked outside of a transaction, its answer is written
with the audit line in one.
"""
