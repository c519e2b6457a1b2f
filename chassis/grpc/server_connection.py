"""A client's connection to our server, and which calls are let through to a method."""

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eventlet import hubs
from grpc import StatusCode
from nameko_grpc.errors import GrpcError

from chassis.grpc import framing
from chassis.grpc.call import Call
from chassis.grpc.connection import Connection
from chassis.grpc.http2 import LARGEST, Code, RawHeaders

if TYPE_CHECKING:
    from chassis.grpc.server import GrpcServer

MAX_STREAMS = 100
# A connection that has not said in time that it speaks HTTP/2 is closed.
PREFACE_SECONDS = 10.0
FAREWELL_SECONDS = 1.0
_FAREWELL = b"farewell"  # a PING carries eight bytes


class ServerConnection(Connection):
    """A client's connection and its calls."""

    def __init__(self, sock: Any, server: "GrpcServer") -> None:
        super().__init__(sock, client_side=False, most_streams=MAX_STREAMS)
        self.server = server
        self.calls: dict[int, Call] = {}
        self.last_call = 0.0
        self._farewell_said = False
        self._farewell_heard = False
        self._age: Any = None
        self._patience = hubs.get_hub().schedule_call_global(PREFACE_SECONDS, self.abort)

    def say_farewell(self) -> None:
        """Ask the client for no new calls; end the connection when the last one is answered.

        The answer to the PING says that the client has read this, and sent nothing after it.
        """
        if self._farewell_said:
            return
        self._farewell_said = True
        self._patience.cancel()
        if self._age is None:  # it has not even begun
            self.abort()
            return
        self._patience = hubs.get_hub().schedule_call_global(FAREWELL_SECONDS, self.on_pong)
        self.http2.close_connection(last=LARGEST)
        self.http2.ping(_FAREWELL)
        self.flush()

    def on_settings(self) -> None:
        """The client speaks HTTP/2. It shall connect anew now and then: perhaps to a new server.

        Connections that were made together do not end together.
        """
        if self._age is None:
            self._patience.cancel()
            seconds = self.server.max_age * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            self._age = hubs.get_hub().schedule_call_global(seconds, self.say_farewell)
        super().on_settings()

    def on_pong(self) -> None:
        """The client has read our farewell, or has had the time to."""
        self._farewell_heard = True
        self._end_when_done()

    def _end_when_done(self) -> None:
        if self._farewell_heard and not self.calls:
            self.http2.close_connection()
            self.hang_up()

    def on_headers(self, stream_id: int, headers: RawHeaders) -> None:
        """Begin a call."""
        if stream_id in self.calls:
            return  # trailers: a request has none that mean anything
        if len(self.calls) >= MAX_STREAMS:
            self.reset(stream_id, Code.REFUSED_STREAM)
            return
        self.last_call = time.monotonic()
        call = self.calls[stream_id] = Call(self, stream_id, self.server.max_message_bytes)
        _try(call, lambda: self._begin(call, headers))

    def _begin(self, call: Call, headers: RawHeaders) -> None:
        call.request.receive_headers(headers)
        asked = dict(call.request.headers.data)
        is_grpc = asked.get("content-type", "").startswith("application/grpc")
        if not is_grpc or asked.get(":method") != "POST":
            call.refuse(415)
            return
        method = self.server.methods.get(asked.get(":path", ""))
        if method is None:
            raise GrpcError(StatusCode.UNIMPLEMENTED, "There is no such method.")
        call.path = asked[":path"]
        if asked.get("grpc-encoding", "identity") not in framing.ENCODINGS:
            call.headers.set(("grpc-accept-encoding", ",".join(framing.ENCODINGS)))
            raise GrpcError(StatusCode.UNIMPLEMENTED, "There is no such compression.")
        timeout = asked.get("grpc-timeout")
        bounds = [framing.parse_timeout(timeout)] if timeout is not None else []
        if method.bounded:
            bounds.append(self.server.seconds)
        call.begin(method.handle, method.waits, min(bounds, default=None))

    def on_data(self, stream_id: int, data: bytes) -> None:
        """Take a part of a request."""
        call = self.calls.get(stream_id)
        if call and not call.finished:
            _try(call, lambda: call.request.body.add(data))

    def on_end(self, stream_id: int) -> None:
        """Answer a request that is complete."""
        call = self.calls.get(stream_id)
        if call:
            call.request.ended = True
            call.work()

    def on_sent(self, stream_id: int) -> None:
        """Let go of a call that has been answered."""
        call = self.calls.pop(stream_id, None)
        if call is None:
            return
        if not call.request.ended:  # its client may save itself the rest
            self.reset(stream_id, Code.NO_ERROR)
        call.close()
        self._end_when_done()

    def on_reset(self, stream_id: int, code: int) -> None:
        """Let go of a call that its client has given up."""
        super().on_reset(stream_id, code)
        call = self.calls.pop(stream_id, None)
        if call:
            call.close()
            self._end_when_done()

    def on_closed(self) -> None:
        """Let go of everything."""
        for timer in filter(None, (self._patience, self._age)):
            timer.cancel()
        while self.calls:
            self.calls.popitem()[1].close()
        self.server.left(self)


def _try(call: Call, step: Callable[[], None]) -> None:
    try:
        step()
    except GrpcError as error:
        call.finish(error)
