"""One call as most tests send it, and what is stored of an account's calls."""

from django.db import connection

from llmcost.tenancy.context import tenant

CALL = {"model": "gpt-5-mini", "input_tokens": 1000, "output_tokens": 204}


def stored(company, columns="*"):
    """The account's events as rows."""
    with tenant(company.account.pk), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM events_event WHERE account_id = %s ORDER BY created_at",
            [company.account.pk],
        )
        return cursor.fetchall()
