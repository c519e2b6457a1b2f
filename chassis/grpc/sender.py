"""The sending half of an HTTP/2 connection: sent as soon as it is written, waited for by nobody."""

import logging
from dataclasses import dataclass
from typing import Any

import eventlet
from eventlet import greenio
from eventlet.green import socket
from eventlet.hubs import get_hub
from eventlet.semaphore import Semaphore

from chassis.grpc import http2
from chassis.grpc.compression import PlainDecoder
from chassis.grpc.http2 import Code, RawHeaders, StreamGone

log = logging.getLogger(__name__)

MAX_METADATA_BYTES = 16384
# How long the other end may take to read what we hand the socket at a time, before we give it up.
SEND_SECONDS = 10.0
# What is made into frames before the other end has read it: one that asks for much and reads
# nothing costs the memory of the answers, but not the time of everybody else.
AHEAD_BYTES = 256 * 1024


@dataclass
class Outgoing:
    """What of a stream waits for the other end's flow control."""

    data: bytearray
    trailers: RawHeaders | None = None
    ended: bool = False


class Sender(http2.Sink):
    """A socket, the protocol's state of it, and what waits for flow control.

    What all writers of a moment have made into frames leaves together, in the hub, where the socket
    takes it at once; where it does not, a green thread goes on. So a writer is never held up by who
    does not read.
    """

    def __init__(self, sock: Any, client_side: bool, most_streams: int = http2.LARGEST) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.settimeout(None)
        self.sock = sock
        decoder = PlainDecoder(MAX_METADATA_BYTES)
        self.http2 = http2.Protocol(self, client_side, decoder, most_streams)
        self.closed = False
        self._outgoing: dict[int, Outgoing] = {}
        self._sending = Semaphore(1)
        self._flush_is_due = False
        self._ahead = 0

    def on_sent(self, stream_id: int) -> None:
        """Our side of a stream has been handed over to its end."""

    def hang_up(self) -> None:
        """End the connection when all that has been written is sent."""
        eventlet.spawn_n(self._hang_up)

    def _hang_up(self) -> None:
        self._flush()
        self.abort()

    def send_headers(self, stream_id: int, headers: RawHeaders, ended: bool = False) -> bool:
        """Send the first headers of a stream; return False, and give it up, if that cannot be."""
        try:
            self.http2.send_headers(stream_id, headers, end_stream=ended)
        except StreamGone as error:
            log.debug("cannot begin on stream %d: %s", stream_id, error)
            self.reset(stream_id, Code.INTERNAL_ERROR)
            return False
        self.flush()
        return True

    def send(
        self,
        stream_id: int,
        data: bytes = b"",
        trailers: RawHeaders | None = None,
        ended: bool = False,
    ) -> None:
        """Send ``data``, then ``trailers``, as soon as flow control lets them."""
        outgoing = self._outgoing.setdefault(stream_id, Outgoing(bytearray()))
        outgoing.data += data
        outgoing.trailers = trailers
        outgoing.ended = ended or trailers is not None
        self._push(stream_id)

    def reset(self, stream_id: int, code: Code = Code.CANCEL) -> None:
        """Give up a stream."""
        self._outgoing.pop(stream_id, None)
        try:
            self.http2.reset_stream(stream_id, code)
        except StreamGone as error:
            log.debug("stream %d had ended: %s", stream_id, error)
        self.flush()

    def flush(self) -> None:
        """See to it that what has been written is sent, without waiting for it."""
        if not self._flush_is_due:
            self._flush_is_due = True
            get_hub().schedule_call_global(0, self._flush_at_once)

    def _flush_at_once(self) -> None:
        """Send what the socket takes now: whoever sends already will send this as well."""
        self._flush_is_due = False
        if self._sending.locked():
            return
        data = self.http2.data_to_send()
        if not data:
            return
        try:
            sent = self._taken(data)
        except OSError as error:
            log.debug("cannot send: %s", error)
            self.abort()
            return
        if sent == len(data):
            self._make_more()
        else:
            self._sending.acquire()
            eventlet.spawn_n(self._go_on, data[sent:])

    def _taken(self, data: bytes) -> int:
        """Return how many bytes the socket has taken, without waiting."""
        if not isinstance(self.sock, greenio.GreenSocket):  # TLS has to be asked by a thread
            return 0
        try:
            return int(self.sock.fd.send(data))
        except BlockingIOError:
            return 0

    def _go_on(self, data: bytes) -> None:
        """Send the rest, and what has come meanwhile."""
        try:
            try:
                self._sendall(data, SEND_SECONDS)
            finally:
                self._sending.release()
            self._send()
        except OSError as error:
            log.debug("cannot send: %s", error)
            self.abort()

    def _flush(self) -> None:
        try:
            self._send()
        except OSError as error:
            log.debug("cannot send: %s", error)
            self.abort()

    def _send(self, seconds: float = SEND_SECONDS) -> None:
        with self._sending:
            while data := self.http2.data_to_send():
                self._sendall(data, seconds)
                self._make_more()

    def _sendall(self, data: bytes, seconds: float) -> None:
        with eventlet.Timeout(seconds, TimeoutError("nothing is taken")):
            self.sock.sendall(data)

    def _make_more(self) -> None:
        """Make frames of what had to wait until others were sent."""
        if self._ahead:
            self._ahead = 0
            self._push_all()

    def _push(self, stream_id: int) -> None:
        outgoing = self._outgoing[stream_id]
        try:
            done = self._hand_over(stream_id, outgoing)
        except StreamGone as error:
            # Given up meanwhile; should it not be, nobody shall wait for the rest.
            log.debug("cannot send on stream %d: %s", stream_id, error)
            self.reset(stream_id, Code.INTERNAL_ERROR)
            done = True
        if done:
            self._outgoing.pop(stream_id, None)
            self.on_sent(stream_id)
        self.flush()

    def _hand_over(self, stream_id: int, outgoing: Outgoing) -> bool:
        """Frame what windows and socket let through; return whether the stream is at its end."""
        while outgoing.data:
            room = min(self.http2.room(stream_id), AHEAD_BYTES - self._ahead)
            size = min(room, self.http2.frame_bytes, len(outgoing.data))
            if size <= 0:
                return False
            chunk = bytes(outgoing.data[:size])
            del outgoing.data[:size]
            last = outgoing.ended and outgoing.trailers is None and not outgoing.data
            self.http2.send_data(stream_id, chunk, end_stream=last)
            self._ahead += size
            if last:
                return True
        if outgoing.ended and outgoing.trailers is not None:
            self.http2.send_headers(stream_id, outgoing.trailers, end_stream=True)
        elif outgoing.ended:
            self.http2.send_data(stream_id, b"", end_stream=True)
        return outgoing.ended

    def _push_all(self) -> None:
        for stream_id in list(self._outgoing):
            if stream_id in self._outgoing:
                self._push(stream_id)

    def abort(self) -> None:
        """End the connection now; its reader does the rest."""
        self.closed = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("the connection had ended")
