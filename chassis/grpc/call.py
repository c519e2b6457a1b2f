"""One call as the server sees it, from its headers to the trailers that end it."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import eventlet
from eventlet import hubs
from grpc import StatusCode
from nameko_grpc.context import GrpcContext
from nameko_grpc.errors import GrpcError
from nameko_grpc.headers import HeaderManager, quote_encode

from chassis.grpc import framing, traffic
from chassis.grpc.http2 import RawHeaders
from chassis.grpc.statuses import trailers_of

if TYPE_CHECKING:
    from chassis.grpc.server_connection import ServerConnection

log = logging.getLogger(__name__)

_FIRST_HEADERS = [(b":status", b"200"), (b"content-type", b"application/grpc+proto")]


def _for_wire(headers: HeaderManager) -> RawHeaders:
    return HeaderManager.encode((name.lower(), value) for name, value in headers.data)


def _nothing(call: "Call") -> None:
    """Answer a call that has not begun."""


def _never() -> bool:
    return False


class Request:
    """What the caller has sent so far."""

    def __init__(self, limit: int) -> None:
        self.headers = HeaderManager()
        self.body = framing.Body(limit)
        self.ended = False

    def receive_headers(self, headers: RawHeaders) -> None:
        """Take the headers; raise GrpcError when they are not text."""
        try:
            self.headers.data = HeaderManager.decode(headers)
        except ValueError:  # nameko-grpc (1.4.0rc3) lets this end the connection, or the process
            raise GrpcError(StatusCode.INVALID_ARGUMENT, "The metadata is malformed.") from None

    def message(self) -> bytes:
        """Return the message, inflated; raise GrpcError."""
        return self.body.message(self.headers.get("grpc-encoding", "identity"))


class Call:
    """A request and the answer to it. ``headers`` and ``trailers`` are the answer's."""

    def __init__(self, connection: "ServerConnection", stream_id: int, limit: int) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.request = Request(limit)
        self.headers = HeaderManager()
        self.trailers = HeaderManager()
        self.path = ""  # of the method, where there is one
        self.began = time.monotonic()
        self.deadline: float | None = None
        self.finished = False
        self._handle: Callable[[Call], None] = _nothing
        self._waits: Callable[[], bool] = _never
        self._headers_sent = False
        self._timer: Any = None
        self._thread: Any = None

    def begin(
        self, handle: Callable[["Call"], None], waits: Callable[[], bool], seconds: float | None
    ) -> None:
        """Say what answers the call, whether that waits, and how long it may take."""
        self._handle, self._waits = handle, waits
        if seconds is not None:
            # nameko-grpc (1.4.0rc3) asks the clock every millisecond, for each call.
            self.deadline = time.time() + seconds
            self._timer = hubs.get_hub().schedule_call_global(seconds, self._expire)

    def work(self) -> None:
        """Answer the complete request; where that waits, in a green thread that ends with it."""
        if self.finished:
            return
        if self._waits():
            self._thread = eventlet.spawn(self._work)
        else:
            self._work()

    def _work(self) -> None:
        try:
            self._handle(self)
        except GrpcError as error:
            self.finish(error)
        except Exception as error:
            log.exception("cannot handle a call")
            self.finish(error)

    def answer(self, message: bytes) -> None:
        """Send one message."""
        if not self.finished and self._send_headers():
            self.connection.send(self.stream_id, framing.pack(message))

    def finish(self, error: BaseException | None = None) -> None:
        """End the call with success or with ``error``; only the first end counts."""
        if self.finished:
            return
        if error is not None or not self.trailers.get("grpc-status"):
            self.trailers.set(*trailers_of(error))
        trailers = _for_wire(self.trailers)
        if self._headers_sent:
            self.finished = True
            self.connection.send(self.stream_id, trailers=trailers)
        else:
            self._send_headers(trailers)

    def fail(self, error: BaseException) -> None:
        """End the call with ``error``, and with nothing else that the service has set."""
        self.headers, self.trailers = HeaderManager(), HeaderManager()
        self.finish(error)

    def _send_headers(self, trailers: RawHeaders | None = None) -> bool:
        """Send the first headers, which may be the last as well; return False if that fails."""
        if self._headers_sent:
            return True
        headers = [*_FIRST_HEADERS, *_for_wire(self.headers), *(trailers or ())]
        self._headers_sent = True
        self.finished = trailers is not None
        sent = self.connection.send_headers(self.stream_id, headers, ended=self.finished)
        if self.finished or not sent:
            self.connection.on_sent(self.stream_id)
        return sent

    def refuse(self, status: int) -> None:
        """Answer in HTTP what is no gRPC."""
        self.finished = True
        self.connection.send_headers(self.stream_id, [(b":status", b"%d" % status)], True)
        self.connection.on_sent(self.stream_id)

    def _expire(self) -> None:
        if self.finished:  # answered, but the caller does not take the answer
            self.connection.reset(self.stream_id)
            self.connection.on_sent(self.stream_id)
        else:
            self.finish(GrpcError(StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded."))

    def close(self) -> None:
        """Let go of timer and thread: nothing more is said or awaited."""
        traffic.count(self.connection.server.container.service_name, self)
        self.finished = True
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None and self._thread is not eventlet.getcurrent():
            self._thread.kill()


class Context(GrpcContext):
    """What a service's method may ask and say beside its message."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.request, call)

    def set_message(self, message: str) -> None:
        """Set the sentence of the status, which nameko-grpc (1.4.0rc3) sends as it is."""
        super().set_message(quote_encode(message))
