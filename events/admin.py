"""What our staff sees of calls without a grant: how many there were each month, no more."""

from typing import Any

from django.db import connection

from accounts.support.desk import Panel, offer
from accounts.support.duties import Power


def calls_by_month(account_id: int) -> list[tuple[Any, int]]:
    """Return (month, calls) of the last twelve months, newest first, as the role of staff.

    A function of the database counts, because the tables are closed to staff.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT month, calls FROM llmcost_calls_by_month(%s)", [account_id])
        return cursor.fetchall()


offer(
    Panel(
        title="Calls by month",
        template="admin/panels/calls.html",
        power=Power.FIND_ACCOUNTS,
        context=lambda account_id: {"months": calls_by_month(account_id)},
    )
)
