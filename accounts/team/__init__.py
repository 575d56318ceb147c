"""Who belongs to an account, and who is invited."""
