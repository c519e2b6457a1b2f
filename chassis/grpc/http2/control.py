"""What the other end says of the connection and its windows, and of streams that it gives up."""

from hpack import Decoder

from chassis.grpc.http2 import wire
from chassis.grpc.http2.sending import Sending
from chassis.grpc.http2.sink import Sink
from chassis.grpc.http2.wire import Code, Http2Error

_PING_BYTES = 8
_GOAWAY_BYTES = 8


class Control(Sending):
    """The frames that carry no call."""

    def __init__(self, sink: Sink, client_side: bool, decoder: Decoder, limit: int) -> None:
        super().__init__(client_side, decoder, limit)
        self._sink = sink
        self._limit_binds = False  # the other end knows
        self._greeted = False

    def _rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        code = wire.number_in(payload)
        if len(payload) != 4:
            raise Http2Error("a reset is a number", Code.FRAME_SIZE_ERROR)
        self._must_have_begun(stream_id)
        if self.streams.pop(stream_id, None) is not None:
            self._sink.on_reset(stream_id, code)

    def _window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        more = wire.number_in(payload) & wire.LARGEST
        if len(payload) != 4:
            raise Http2Error("an update is a number", Code.FRAME_SIZE_ERROR)
        if not more:
            raise Http2Error("a window opens by nothing")
        if not stream_id:
            self.window = _opened(self.window, more)
        else:
            self._must_have_begun(stream_id)
            stream = self.streams.get(stream_id)
            if stream is None:
                return
            stream.window = _opened(stream.window, more)
        self._sink.on_window()

    def _must_have_begun(self, stream_id: int) -> None:
        last = self._begun if stream_id % 2 == self.client_side else self._seen
        if not stream_id or stream_id > last:
            raise Http2Error("there is no such stream")

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_the_connection(stream_id)
        if flags & wire.ACK:
            if payload:
                raise Http2Error("there is nothing to say to settings", Code.FRAME_SIZE_ERROR)
            self._limit_binds = True
            return
        for name, value in wire.settings_in(payload):
            self._set(name, value)
        self._greeted = True
        self._out.append(wire.frame(wire.SETTINGS, wire.ACK, 0))
        self._sink.on_settings()

    def _set(self, name: int, value: int) -> None:
        if name == wire.INITIAL_WINDOW_SIZE:
            if value > wire.LARGEST:
                raise Http2Error("a window is too large", Code.FLOW_CONTROL_ERROR)
            for stream in self.streams.values():
                stream.window = _opened(stream.window, value - self._first_window)
            self._first_window = value
        elif name == wire.MAX_FRAME_SIZE:
            if not wire.LEAST_FRAME_BYTES <= value <= wire.MOST_FRAME_BYTES:
                raise Http2Error("no frame has that size")
            self.frame_bytes = value
        elif name == wire.MAX_CONCURRENT_STREAMS:
            self._most_streams = value
        elif name == wire.ENABLE_PUSH and value > (not self.client_side):
            raise Http2Error("nobody pushes here")
        elif name == wire.ENABLE_CONNECT_PROTOCOL and value > 1:  # RFC 8441, section 3
            raise Http2Error("this setting is yes or no")

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_the_connection(stream_id)
        if len(payload) != _PING_BYTES:
            raise Http2Error("a ping has eight bytes", Code.FRAME_SIZE_ERROR)
        if flags & wire.ACK:
            self._sink.on_pong()
        else:
            self._out.append(wire.frame(wire.PING, wire.ACK, 0, payload))

    def _goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_the_connection(stream_id)
        if len(payload) < _GOAWAY_BYTES:
            raise Http2Error("a farewell is cut", Code.FRAME_SIZE_ERROR)
        self._sink.on_goaway(wire.number_in(payload) & wire.LARGEST)


def _of_the_connection(stream_id: int) -> None:
    if stream_id:
        raise Http2Error("this is not about a stream")


def _opened(window: int, more: int) -> int:
    if window + more > wire.LARGEST:
        raise Http2Error("a window is too large", Code.FLOW_CONTROL_ERROR)
    return window + more
