"""What `make up` runs: PostgreSQL, web, worker and scheduler as one group of processes.

The supervisor imports nothing but the standard library, because it stays in memory for as long
as the product runs.
"""


class CannotStart(Exception):
    """A reason not to start, as the one sentence that tells the user what to do."""
