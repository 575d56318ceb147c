"""What all API views share."""

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JsonAlways(BaseContentNegotiation):
    """Answer JSON whatever `Accept` says: who mistypes a header still reads the error."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Take the first parser; our views check the content type themselves."""
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Take the first renderer."""
        return renderers[0], renderers[0].media_type
