"""Our connection to a server, and the calls that many green threads make over it at a time."""

from typing import Any

from eventlet import hubs
from eventlet.event import Event
from nameko_grpc.errors import GrpcError
from nameko_grpc.headers import HeaderManager

from chassis.grpc import framing, statuses
from chassis.grpc.connection import Connection
from chassis.grpc.http2 import Code, RawHeaders, StreamGone, TooManyStreams

# How long a server that has let a call time out may take to show that it lives.
PONG_SECONDS = 1.0
_PROBE = b"you live"  # a PING carries eight bytes


class NotProcessed(Exception):
    """The server has not looked at the call, and will not: it may be made again elsewhere."""


class Answer:
    """What the server has said to one call so far."""

    def __init__(self, limit: int) -> None:
        self.headers: list[tuple[str, Any]] = []
        self.body = framing.Body(limit)
        self.ended = Event()
        self._error: Exception | None = None

    def end(self, error: Exception | None) -> None:
        """Wake the caller."""
        self._error = error
        self.ended.send()

    def message(self) -> bytes:
        """Return the message of an answer that has ended; raise what it reports."""
        if self._error:
            raise self._error
        return self.body.message()


class ClientConnection(Connection):
    """A connection that ends when the server asks for that, or no longer lives."""

    def __init__(self, sock: Any, limit: int) -> None:
        super().__init__(sock, client_side=True)
        self.greeted = Event()
        self.retired = False
        self._limit = limit
        self._answers: dict[int, Answer] = {}
        self._verdict: Any = None

    @property
    def usable(self) -> bool:
        """Whether a call may begin."""
        return not self.closed and not self.retired

    def call(self, headers: RawHeaders, message: bytes, seconds: float) -> bytes:
        """Make a call and return the answer; raise a kind of ServiceError or NotProcessed."""
        stream_id = self._next_stream()
        answer = self._answers[stream_id] = Answer(self._limit)
        try:
            self.http2.open(stream_id)
            self.http2.send_headers(stream_id, headers)
            self.send(stream_id, framing.pack(message), ended=True)
            answer.ended.wait(timeout=seconds)
            if not answer.ended.ready():
                raise statuses.timed_out()
            return answer.message()
        except TooManyStreams:
            raise statuses.busy() from None
        except (GrpcError, StreamGone) as error:
            raise statuses.failed(error) from error
        finally:
            if self._answers.pop(stream_id, None) is not None and not answer.ended.ready():
                self.reset(stream_id)  # the server may stop working for us
                self._probe()  # also where it is our worker whose time was up first
            self._end_when_done()

    def _next_stream(self) -> int:
        stream_id = self.http2.next_stream_id()
        if not stream_id:  # after a thousand million calls
            self.retired = True
            raise NotProcessed
        return stream_id

    def retire(self) -> None:
        """Let the calls under way end, then hang up."""
        self.retired = True
        self._end_when_done()

    def _end_when_done(self) -> None:
        if self.retired and not self._answers:
            self.hang_up()

    def _probe(self) -> None:
        if self._verdict is None and not self.closed:
            self.http2.ping(_PROBE)
            self.flush()
            self._verdict = hubs.get_hub().schedule_call_global(PONG_SECONDS, self.abort)

    def on_pong(self) -> None:
        """The server lives: it was only slow."""
        if self._verdict is not None:
            self._verdict.cancel()
            self._verdict = None

    def on_settings(self) -> None:
        """The server speaks HTTP/2, and it lives."""
        super().on_settings()
        if not self.greeted.ready():
            self.greeted.send(True)

    def on_headers(self, stream_id: int, headers: RawHeaders) -> None:
        """Take headers or trailers."""
        answer = self._answers.get(stream_id)
        try:
            if answer:
                answer.headers += HeaderManager.decode(headers)
        except ValueError:
            self._end(stream_id, statuses.failed(None))

    def on_data(self, stream_id: int, data: bytes) -> None:
        """Take a part of an answer."""
        answer = self._answers.get(stream_id)
        try:
            if answer:
                answer.body.add(data)
        except GrpcError as error:
            self._end(stream_id, error)
            self.reset(stream_id)

    def on_end(self, stream_id: int) -> None:
        """Give a complete answer to who waits for it."""
        answer = self._answers.get(stream_id)
        if answer:
            self._end(stream_id, statuses.error_in(answer.headers))

    def on_reset(self, stream_id: int, code: int) -> None:
        """Tell who waits that there will be no answer."""
        super().on_reset(stream_id, code)
        refused = code == Code.REFUSED_STREAM
        self._end(stream_id, NotProcessed() if refused else statuses.away())

    def on_goaway(self, last_stream_id: int) -> None:
        """Make no new call; those that the server has not seen may be made again."""
        for stream_id in [stream_id for stream_id in self._answers if stream_id > last_stream_id]:
            self._end(stream_id, NotProcessed())
        self.retire()

    def on_closed(self) -> None:
        """Tell all that there will be no answer."""
        self.on_pong()
        if not self.greeted.ready():
            self.greeted.send(False)
        for stream_id in list(self._answers):
            self._end(stream_id, statuses.away())

    def _end(self, stream_id: int, error: Exception | None) -> None:
        answer = self._answers.pop(stream_id, None)
        if answer:
            answer.end(error)
