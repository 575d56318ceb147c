"""The base of every endpoint that speaks for a project."""

from datetime import UTC
from typing import ClassVar

from rest_framework.request import Request
from rest_framework.views import APIView

from llmcost.api.throttle import take_turn

EXPIRES_HEADER = "X-LLMC-Key-Expires"


class ProjectApi(APIView):
    """An endpoint that speaks for the project of the key; `scope` says which right it takes."""

    scope: ClassVar[str]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Authenticate, check the scope, then take a turn of the key's rate limit."""
        super().initial(request, *args, **kwargs)
        expires_at = request.user.expires_at
        if expires_at is not None:
            # DRF puts these on the answer, also on that of an error.
            self.headers[EXPIRES_HEADER] = f"{expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        take_turn(request.user.key_id)
