"""What the API is: for programs, and for people."""

from functools import cache
from typing import Any

from werkzeug.wrappers import Response

from gateway import api, docs, openapi, parameters
from gateway.api import Body, Call, route
from gateway.sizes import Sizes


class Description:
    """Describe the API."""

    public_url: str
    sizes: Sizes
    anonymous_readers: bool

    @route(
        *("GET", "/openapi.json"),
        scope=None,
        answers=Body("The description: OpenAPI 3.1."),
    )
    def get_openapi(self, call: Call[parameters.Nothing]) -> openapi.Json:
        """Describe the API to a program."""
        return self._document()

    @route("GET", "/docs", scope=None, answers=Body("A page.", media=("text/html",)))
    def get_docs(self, call: Call[parameters.Nothing]) -> Response:
        """Describe the API to a person."""
        return docs.page(self._document())

    def _document(self) -> openapi.Json:
        service: Any = type(self)
        return _document(service, self.public_url, self.sizes, self.anonymous_readers)


@cache
def _document(service: Any, public_url: str, sizes: Sizes, anonymous: bool) -> openapi.Json:
    return openapi.document(public_url, api.routes(service), sizes, anonymous_readers=anonymous)
