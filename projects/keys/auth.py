"""Keys in Django REST framework: who calls, and whether the key may."""

from typing import cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from llmcost.errors import InvalidKey, MissingScope, ProjectArchived
from projects.keys.resolve import Caller, caller_of
from projects.models import Scope


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
    """The key has the scope that the view names, and its project takes in what it sends."""

    def has_permission(self, request: Request, view: object) -> bool:
        """Raise MissingScope with the name of the scope, ProjectArchived."""
        scope = getattr(view, "scope", None)
        caller = cast("Caller", request.auth)
        if scope not in caller.scopes:
            raise MissingScope(str(scope))
        if scope == Scope.INGEST and caller.is_archived:
            raise ProjectArchived
        return True
