"""HTTP entrypoints: parameters in, JSON out, errors as problem documents.

    @http.http("GET", "/v1.0/links")
    def get_links(self, request: http.Request) -> dict[str, Any]:
        wanted = http.params(request, lists=("tag",))

A handler returns a mapping (200), a status and a mapping, perhaps with headers, or a Werkzeug
response; it raises the kinds of ``chassis.errors``. What is asked beyond that is refused before a
worker begins.
"""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import eventlet
import msgspec
from eventlet.event import Event
from nameko.web.handlers import HttpRequestHandler
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from chassis import config
from chassis.errors import Unavailable
from chassis.http import problems, unchanged
from chassis.http.params import params
from chassis.http.pieces import streamed
from chassis.http.webserver import WebServer
from chassis.http.wsgi import Request
from chassis.telemetry import current, tracing
from chassis.workers import DEADLINE

__all__ = ["HttpHandler", "Request", "http", "params", "streamed"]

# How long a request waits for a free worker before the answer is 503.
WORKER_WAIT_SECONDS = 0.25
# What calls a deadline of their own leave unused; a worker that stays longer is not waited for.
SLACK_SECONDS = 0.5


class HttpHandler(HttpRequestHandler):
    """Run a method for each request to one address.

    ``timeout_key`` names the configuration key with the seconds that the request may take; the
    deadline travels with every call that the method makes. ``body_key`` names the one with the
    length of the longest body, at an address without values in its path.
    """

    server = WebServer()

    def __init__(
        self,
        method: str,
        url: str,
        *,
        timeout_key: str = "RPC_TIMEOUT_SECONDS",
        body_key: str = "MAX_BODY_BYTES",
        **kwargs: Any,
    ) -> None:
        super().__init__(method, url, **kwargs)
        self.timeout_key = timeout_key
        self.body_key = body_key

    def setup(self) -> None:
        """Read the time limit and register with the server."""
        super().setup()
        self.timeout_seconds = config.positive(self.timeout_key)
        if self.body_key != "MAX_BODY_BYTES":
            self.server.bodies[self.url] = config.positive_integer(self.body_key)

    def stop(self) -> None:
        """Answer what has been asked; no worker begins after this."""
        self.server.drain()
        super().stop()

    def get_url_rule(self) -> Rule:
        """Return the address and methods that lead here."""
        return Rule(self.url, methods=self.method.split(","))

    def handle_request(self, request: Request) -> Response:
        """Run the method in a worker and return its answer, whatever becomes of the worker."""
        try:
            result = self._run(request)
        except Exception as exc:
            return problems.of_exception(exc)
        if isinstance(result, Response):
            return result
        return unchanged.judge(request, self._document(result, request.method in unchanged.READS))

    def _run(self, request: Request) -> Any:
        args, kwargs = self.get_entrypoint_parameters(request)
        context = {
            DEADLINE: time.time() + self.timeout_seconds,
            current.REQUEST_ID: request.request_id,
            tracing.TRACEPARENT: request.headers.get("Traceparent", ""),
        }
        done = Event()
        handle_result = partial(self.handle_result, done)
        with eventlet.Timeout(self.timeout_seconds + SLACK_SECONDS, _overdue()):
            with self._patience():
                worker_ctx = self.container.spawn_worker(self, args, kwargs, context, handle_result)
            # nameko (3.0.0rc11) calls handle_result only if the method returned or raised an
            # Exception: not for a worker that was killed, or whose dependencies failed.
            self.container._worker_threads[worker_ctx].link(_ended, done)
            return done.wait()

    def _patience(self) -> AbstractContextManager[Any]:
        """Bound the wait for a free worker, where there is any."""
        if self.container._worker_pool.free() > 0:
            return nullcontext()
        timeout: AbstractContextManager[Any] = eventlet.Timeout(WORKER_WAIT_SECONDS, _busy())
        return timeout

    def _document(self, result: Any, is_read: bool) -> Response:
        """Return a mapping as JSON, with its own status and headers if they are given."""
        status, body, *more = result if isinstance(result, tuple) else (200, result)
        if not isinstance(body, Mapping):
            raise TypeError(f"{self.method_name} must return a mapping or a Response")
        text = msgspec.json.encode(body) + b"\n"
        headers = unchanged.validators(text) if is_read and status == 200 else {}
        headers.update(more[0] if more else {})
        return Response(text, status, headers, content_type="application/json")


def _busy() -> Unavailable:
    return Unavailable("busy", "Too much is going on; try again.")


def _overdue() -> Unavailable:
    return Unavailable("deadline_passed", "This took too long; try again.")


def _ended(thread: Any, done: Event) -> None:
    """Answer for a worker that has ended without a result."""
    if not done.ready():
        done.send_exception(Unavailable("interrupted", "The request was interrupted; try again."))


http = HttpHandler.decorator
