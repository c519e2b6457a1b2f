"""From a request to what its address names, and the manners that every answer shares."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from types import MappingProxyType
from typing import Any, Protocol

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response

from chassis.errors import InvalidInput
from chassis.http import problems
from chassis.http.answer import Answer, Manners
from chassis.http.door import Door
from chassis.http.head import Refusal
from chassis.http.traffic import OTHER, UNMATCHED, Traffic
from chassis.telemetry import current

_log = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Request(WerkzeugRequest):
    """What an entrypoint is given: Werkzeug's request, its path's values and its id."""

    path_values: Mapping[str, Any] = MappingProxyType({})
    request_id: str
    client: str = ""  # the address of whoever sent it, trusted proxies left out
    route: str = UNMATCHED


class Provider(Protocol):
    """Whoever answers at one address."""

    def get_url_rule(self) -> Rule:
        """Return the address and the methods."""

    def handle_request(self, request: Request) -> Response:
        """Answer; raise nothing but HTTPException and ServiceError."""


@dataclass(frozen=True)
class Page:
    """A provider that needs no worker."""

    path: str
    answer: Callable[[], Response]

    def get_url_rule(self) -> Rule:
        """Return the address."""
        return Rule(self.path, methods=["GET"])

    def handle_request(self, request: Request) -> Response:
        """Answer at once."""
        return self.answer()


class App:
    """Give each request to the provider of its address; ``traffic`` hears what comes of it."""

    def __init__(
        self, providers: Iterable[Provider], traffic: Traffic, door: Door | None = None
    ) -> None:
        self.door = door or Door()
        self._manners = Manners(self.door.headers)
        self._open: set[str] = set()  # pages, which nobody needs leave for
        # No redirects from nearly right addresses: they turn a POST into a GET.
        url_map = Map(strict_slashes=False, merge_slashes=False)
        for provider in providers:
            rule = provider.get_url_rule()
            rule.endpoint = provider
            url_map.add(rule)
            if isinstance(provider, Page):
                self._open.add(provider.path)
        self.routes = url_map.bind("localhost")
        # What was found for fixed addresses; an address of strangers' making is never kept.
        self._fixed: dict[tuple[str, str], Rule] = {}
        self.traffic = traffic

    def answer(self, environ: dict[str, Any]) -> Answer:
        """Answer one request."""
        began = perf_counter()
        request = Request(environ)
        request.request_id = _request_id(environ)
        request.client = self.door.proxies.client(environ)
        current.begin(service=self.traffic.service, request_id=request.request_id)
        try:
            response = self._answer(request)
            answer = self._finish(request, response)
        except Exception as exc:
            response = problems.of_exception(exc)
            if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.exception("request failed")
            answer = self._finish(request, response)
        self.traffic.answered(request.method, request.route, response, perf_counter() - began)
        return answer

    def refuse(self, refusal: Refusal) -> Answer:
        """Return the answer to a request that was not worth reading to its end."""
        request_id = current.new_request_id()
        current.begin(service=self.traffic.service, request_id=request_id)
        response = problems.document(refusal.status, refusal.code, refusal.detail)
        self.traffic.answered(OTHER, UNMATCHED, response)
        return Answer(response, request_id, self._manners)

    def _finish(self, request: Request, response: Response) -> Answer:
        if self.door.cors:
            self.door.cors.admit(request, response)
        version = request.environ["SERVER_PROTOCOL"]
        return Answer(response, request.request_id, self._manners, request.method, version)

    def _answer(self, request: Request) -> Response:
        path = _path(request)
        guard = self.door.guard
        if guard is None or path in self._open:
            return self._of_route(request, path)
        response = guard.admit(request)
        if response is None:
            try:
                response = self._of_route(request, path)
            except HTTPException as exc:
                response = problems.of_http_exception(exc)
            guard.answered(request, response)
        return response

    def _of_route(self, request: Request, path: str) -> Response:
        if path == "*":
            return _options("GET, HEAD, OPTIONS, POST, PUT, DELETE")
        rule = self._fixed.get((request.method, path))
        if rule is None:
            try:
                rule, values = self.routes.match(path, request.method, return_rule=True)
            except MethodNotAllowed as exc:
                if request.method == "OPTIONS":
                    return _options(problems.of_exception(exc).headers["Allow"])
                raise
            request.path_values = values
            if path == rule.rule and not values:
                self._fixed[request.method, path] = rule
        request.route = rule.rule
        provider: Provider = rule.endpoint
        return provider.handle_request(request)


def _request_id(environ: dict[str, Any]) -> str:
    """Return the caller's own id for the request, or for its trace, or a new one."""
    return (
        current.checked_request_id(environ.get("HTTP_X_REQUEST_ID"))
        or current.trace_id(environ.get("HTTP_TRACEPARENT", ""))
        or current.new_request_id()
    )


def _options(allow: str) -> Response:
    response = Response(status="204 No Content", headers={"Allow": allow})
    del response.headers["Content-Type"]
    return response


def _path(request: Request) -> str:
    """Return the path as text; raise ``invalid_encoding`` for one that is none."""
    try:
        path: str = request.environ["PATH_INFO"].encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("invalid_encoding", "The path is not valid UTF-8.", "path") from None
    if _CONTROL.search(path):
        raise InvalidInput("invalid_encoding", "The path holds a control character.", "path")
    return path
