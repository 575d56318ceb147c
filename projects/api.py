"""The base of every endpoint that speaks for a project."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.views import APIView

from llmcost.api.throttle import take_turn


class ProjectApi(APIView):
    """An endpoint that speaks for the project of the key; `scope` says which right it takes."""

    scope: ClassVar[str]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Authenticate, check the scope, then take a turn of the key's rate limit."""
        super().initial(request, *args, **kwargs)
        take_turn(request.user.key_id)
