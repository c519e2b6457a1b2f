"""What we say: frames in the order in which they are to leave."""

from hpack import Decoder

from chassis.grpc.compression import PlainEncoder
from chassis.grpc.http2 import wire
from chassis.grpc.http2.stream import Stream, Window
from chassis.grpc.http2.wire import Code, RawHeaders, StreamGone, TooManyStreams

# Of so many streams that we have given up, frames may still be on their way to us.
_REMEMBERED = 1000


class Sending:
    """The state of a connection, and its sending half."""

    def __init__(self, client_side: bool, decoder: Decoder, limit: int) -> None:
        self.client_side = client_side
        self.limit = limit  # of the other end's streams
        self.streams: dict[int, Stream] = {}
        self.window = wire.FIRST_WINDOW  # what the other end takes, of all streams together
        self.frame_bytes = wire.LEAST_FRAME_BYTES
        self.decoder = decoder
        self._encoder = PlainEncoder()
        self._incoming = Window()
        self._first_window = wire.FIRST_WINDOW  # of each new stream
        self._most_streams = wire.LARGEST  # that the other end takes at a time
        self._begun = 0  # the last stream of ours, and of the other end
        self._seen = 0
        self._given_up: dict[int, None] = {}
        self._out: list[bytes] = []

    def begin(self) -> None:
        """Say that we speak HTTP/2, and how."""
        settings = {wire.MAX_HEADER_LIST_SIZE: self.decoder.max_header_list_size}
        if self.client_side:
            self._out.append(wire.PREFACE)
            settings[wire.ENABLE_PUSH] = 0
        else:
            settings[wire.MAX_CONCURRENT_STREAMS] = self.limit
        self._out.append(wire.settings(settings))

    def data_to_send(self) -> bytes:
        """Return what has been written since this was last asked."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def next_stream_id(self) -> int:
        """Return the number of the next call, or 0 if there are no more."""
        next_id = self._begun + 2 if self._begun else 1
        return next_id if next_id <= wire.LARGEST else 0

    def open(self, stream_id: int) -> None:
        """Begin a call of ours; raise TooManyStreams."""
        if len(self.streams) >= self._most_streams:
            raise TooManyStreams("the other end takes no more calls")
        self._begun = stream_id
        self.streams[stream_id] = Stream(self._first_window)

    def send_headers(self, stream_id: int, headers: RawHeaders, end_stream: bool = False) -> None:
        """Send headers or trailers; raise StreamGone."""
        stream = self._open_stream(stream_id)
        block = self._encoder.encode(headers)
        size = self.frame_bytes
        flags = wire.END_STREAM if end_stream else 0
        kind = wire.HEADERS
        while len(block) > size:
            self._out.append(wire.frame(kind, flags, stream_id, block[:size]))
            block, kind, flags = block[size:], wire.CONTINUATION, 0
        self._out.append(wire.frame(kind, flags | wire.END_HEADERS, stream_id, block))
        if end_stream:
            self._end(stream_id, stream)

    def send_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """Send as much as the windows allow; raise StreamGone."""
        stream = self._open_stream(stream_id)
        self.window -= len(data)
        stream.window -= len(data)
        flags = wire.END_STREAM if end_stream else 0
        self._out.append(wire.frame(wire.DATA, flags, stream_id, data))
        if end_stream:
            self._end(stream_id, stream)

    def room(self, stream_id: int) -> int:
        """Return how much may be sent on a stream now; raise StreamGone."""
        return min(self.window, self._open_stream(stream_id).window)

    def reset_stream(self, stream_id: int, code: int) -> None:
        """Give up a stream; raise StreamGone."""
        if self.streams.pop(stream_id, None) is None:
            raise StreamGone(f"stream {stream_id} has ended")
        self._given_up[stream_id] = None
        if len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        self._out.append(wire.number_frame(wire.RST_STREAM, stream_id, code))

    def ping(self, data: bytes) -> None:
        """Ask the other end, in eight bytes, whether it lives."""
        self._out.append(wire.frame(wire.PING, 0, 0, data))

    def close_connection(self, code: int = Code.NO_ERROR, last: int | None = None) -> None:
        """Say that there will be no new stream beyond the last."""
        self._out.append(wire.goaway(self._seen if last is None else last, code))

    def _open_stream(self, stream_id: int) -> Stream:
        stream = self.streams.get(stream_id)
        if stream is None or stream.ended_here:
            raise StreamGone(f"stream {stream_id} has ended")
        return stream

    def _end(self, stream_id: int, stream: Stream) -> None:
        stream.ended_here = True
        if stream.ended_there:
            del self.streams[stream_id]
