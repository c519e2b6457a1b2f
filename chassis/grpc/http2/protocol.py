"""What the other end says: each frame examined, and told to who wants to know."""

from collections.abc import Callable

from hpack import Decoder

from chassis.grpc.http2 import blocks, fields, wire
from chassis.grpc.http2.blocks import Block
from chassis.grpc.http2.control import Control
from chassis.grpc.http2.sink import Sink
from chassis.grpc.http2.stream import Stream
from chassis.grpc.http2.wire import Code, Http2Error, RawHeaders

_PRIORITY_BYTES = 5


class Protocol(Control):
    """One end of a connection. A client trusts its server with the fields of an answer."""

    def __init__(
        self, sink: Sink, client_side: bool, decoder: Decoder, limit: int = wire.LARGEST
    ) -> None:
        super().__init__(sink, client_side, decoder, limit)
        self._splitter = wire.Splitter(b"" if client_side else wire.PREFACE)
        self._block: Block | None = None
        self._receive: dict[int, Callable[[int, int, bytes], None]] = {
            wire.DATA: self._data,
            wire.HEADERS: self._headers,
            wire.PRIORITY: self._priority,
            wire.RST_STREAM: self._rst_stream,
            wire.SETTINGS: self._settings,
            wire.PUSH_PROMISE: self._push_promise,
            wire.PING: self._ping,
            wire.GOAWAY: self._goaway,
            wire.WINDOW_UPDATE: self._window_update,
            wire.CONTINUATION: self._continuation,
        }

    def receive(self, data: bytes) -> None:
        """Take bytes; raise Http2Error, of which the other end is to be told as well."""
        try:
            for kind, flags, stream_id, payload in self._splitter.frames(data):
                if self._block is not None and kind != wire.CONTINUATION:
                    raise Http2Error("a header has not ended")
                if not self._greeted and kind != wire.SETTINGS:
                    raise Http2Error("settings come first")
                receive = self._receive.get(kind)
                if receive is not None:  # what nobody knows is ignored
                    receive(flags, stream_id, payload)
        except Http2Error as error:
            self.close_connection(error.code)
            raise

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id:
            raise Http2Error("a header is of a stream")
        block = wire.unpadded(flags, payload)
        if flags & wire.WITH_PRIORITY:
            self._priority(0, stream_id, block[:_PRIORITY_BYTES])
            block = block[_PRIORITY_BYTES:]
        ended = bool(flags & wire.END_STREAM)
        if flags & wire.END_HEADERS:
            self._fields(stream_id, block, ended)
        else:
            self._block = Block(stream_id, ended, block)

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._block
        if block is None or block.stream_id != stream_id:
            raise Http2Error("this goes on with nothing")
        # Fields that are written sensibly are shorter than they count: no need to decode these.
        block.add(payload, self.decoder.max_header_list_size)
        if flags & wire.END_HEADERS:
            self._block = None
            self._fields(stream_id, block.whole(), block.ended)

    def _fields(self, stream_id: int, block: bytes, ended: bool) -> None:
        """Take a whole block, which is decoded whatever stream it is of: the tables need it."""
        found = blocks.fields(self.decoder, block)
        stream = self.streams.get(stream_id)
        if stream is None:
            if self.client_side or stream_id <= self._seen:
                self._late(stream_id)
                return
            stream = self._welcome(stream_id)
        if stream.ended_there:
            raise Http2Error("this stream had ended", Code.STREAM_CLOSED)
        if self._are_told(stream, found, ended):
            self._note_end(stream_id, stream, ended)
            self._sink.on_headers(stream_id, found)
            if ended:
                self._sink.on_end(stream_id)

    def _are_told(self, stream: Stream, found: RawHeaders, ended: bool) -> bool:
        """Examine headers or trailers; tell whether they are more than an announcement."""
        if not stream.greeted:
            if self.client_side:
                if not ended and dict(found).get(b":status", b"").startswith(b"1"):
                    return False
            else:
                fields.check_request(found)
            stream.left = fields.content_length(found)
            stream.greeted = True
        elif not ended:
            raise Http2Error("trailers do not end the stream")
        elif not self.client_side:
            fields.check_trailers(found)
        if ended:
            stream.take(0, ended)
        return True

    def _welcome(self, stream_id: int) -> Stream:
        if not stream_id % 2:
            raise Http2Error("a client's streams are odd")
        if self._limit_binds and len(self.streams) >= self.limit:
            raise Http2Error("these are too many streams")
        self._seen = stream_id
        stream = self.streams[stream_id] = Stream(self._first_window)
        return stream

    def _late(self, stream_id: int) -> None:
        """Pass over what was on its way when we gave up a stream; raise Http2Error otherwise."""
        if stream_id in self._given_up:
            return
        if stream_id == 0 or stream_id > max(self._begun, self._seen):
            raise Http2Error("there is no such stream")
        raise Http2Error("this stream had ended", Code.STREAM_CLOSED)

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        if more := self._incoming.take(size):
            self._out.append(wire.number_frame(wire.WINDOW_UPDATE, 0, more))
        data = wire.unpadded(flags, payload)
        stream = self.streams.get(stream_id)
        if stream is None:
            self._late(stream_id)
            return
        if stream.ended_there:
            raise Http2Error("this stream had ended", Code.STREAM_CLOSED)
        if not stream.greeted:
            raise Http2Error("headers come first")
        ended = bool(flags & wire.END_STREAM)
        stream.take(len(data), ended)
        if (more := stream.incoming.take(size)) and not ended:
            self._out.append(wire.number_frame(wire.WINDOW_UPDATE, stream_id, more))
        self._note_end(stream_id, stream, ended)
        self._sink.on_data(stream_id, data)
        if ended:
            self._sink.on_end(stream_id)

    def _note_end(self, stream_id: int, stream: Stream, ended: bool) -> None:
        stream.ended_there = ended
        if ended and stream.ended_here:
            del self.streams[stream_id]

    def _push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise Http2Error("nothing may be pushed")

    def _priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Examine what is not obeyed."""
        if len(payload) != _PRIORITY_BYTES:
            raise Http2Error("a priority has five bytes", Code.FRAME_SIZE_ERROR)
        if not stream_id or wire.number_in(payload) & wire.LARGEST == stream_id:
            raise Http2Error("a stream depends on another one")
