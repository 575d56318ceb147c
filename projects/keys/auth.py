"""Keys in Django REST framework: authentication, scopes, and the base of every API view."""

from typing import ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from llmcost.api.throttle import take_turn
from llmcost.errors import InvalidKey, MissingScope
from projects.keys.resolve import Caller, caller_of


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer KEY`."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        """Return the caller. Raises InvalidKey alike for no key, a wrong and a revoked one."""
        kind, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer":
            raise InvalidKey
        caller = caller_of(key.strip())
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        """Return what `WWW-Authenticate` says."""
        return "Bearer"


class HasScope(BasePermission):
    """The key has the scope that the view names."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raise MissingScope with the name of the scope."""
        scope = getattr(view, "scope", None)
        if scope not in request.user.scopes:
            raise MissingScope(str(scope))
        return True


class ProjectApi(APIView):
    """An endpoint that speaks for the project of the key; `scope` says which right it takes."""

    scope: ClassVar[str]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Authenticate, check the scope, then take a turn of the key's rate limit."""
        super().initial(request, *args, **kwargs)
        take_turn(request.user.key_id)
