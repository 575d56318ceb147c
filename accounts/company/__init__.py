"""The account as a whole: its first owner, its name, its end."""
