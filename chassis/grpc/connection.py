"""An HTTP/2 connection that costs nothing while it is idle and is sent as soon as it is written.

nameko-grpc (1.4.0rc3) asks socket and streams every 10 ms whether there is something to do: a
call takes 12 ms, and each idle connection a part of the processor. Here one green thread blocks
in reading, and writing spawns one that sends what all writers of that moment have left with h2.
"""

import logging
from dataclasses import dataclass
from itertools import count
from typing import Any

import eventlet
from eventlet.green import socket
from eventlet.semaphore import Semaphore
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes, Settings

log = logging.getLogger(__name__)

READ_BYTES = 65536
FAIR_READS = 8
MAX_METADATA_BYTES = 16384
# How long the other end may take nothing of what we send before we give it up.
SEND_SECONDS = 10.0
FAREWELL_SECONDS = 0.5

RawHeaders = list[tuple[bytes, bytes]]


def _configuration(client_side: bool) -> H2Configuration:
    """Have h2 examine what strangers send; of its time for a call, this is a third."""
    return H2Configuration(
        client_side=client_side,
        header_encoding=None,
        validate_inbound_headers=not client_side,
        normalize_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )


@dataclass
class Outgoing:
    """What of a stream waits for the other end's flow control."""

    data: bytearray
    trailers: RawHeaders | None = None
    ended: bool = False


class Connection:
    """One end of an HTTP/2 connection; subclasses say what its events mean."""

    def __init__(self, sock: Any, client_side: bool) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.settimeout(None)
        self.sock = sock
        self.h2 = H2Connection(_configuration(client_side))
        self.h2.local_settings = Settings(client=client_side, initial_values=self.settings())
        self.h2.decoder.max_header_list_size = MAX_METADATA_BYTES
        self.closed = False
        self._outgoing: dict[int, Outgoing] = {}
        self._sending = Semaphore(1)
        self._flush_is_due = False

    def settings(self) -> dict[SettingCodes, int]:
        """Return what to announce to the other end."""
        return {SettingCodes.MAX_HEADER_LIST_SIZE: MAX_METADATA_BYTES}

    def greet(self) -> None:
        """Say that we speak HTTP/2, and how."""
        self.h2.initiate_connection()

    def run(self) -> None:
        """Serve the connection until it ends, whatever the other end does."""
        try:
            self.greet()
            self._send()
            self._read()
        except (H2Error, OSError, EOFError) as error:
            log.debug("connection ended: %s", error)
        except Exception:
            log.exception("connection failed")
        finally:
            self._close()

    def _read(self) -> None:
        for turn in count(1):
            data = self.sock.recv(READ_BYTES)
            if not data:
                return
            for event in self.h2.receive_data(data):
                self._on_event(event)
            # Waits while the other end does not take what it made us say, PING upon PING.
            self._send()
            if turn % FAIR_READS == 0:
                # A socket that always has more to read lets no other green thread run.
                eventlet.sleep(0)

    def _close(self) -> None:
        self.closed = True
        self.on_closed()
        try:
            self._send(FAREWELL_SECONDS)
        except OSError as error:
            log.debug("the connection ended without a farewell: %s", error)
        self.sock.close()

    def abort(self) -> None:
        """End the connection now; its reader does the rest."""
        self.closed = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("the connection had ended")

    def hang_up(self) -> None:
        """End the connection when all that has been written is sent."""
        eventlet.spawn_n(self._hang_up)

    def _hang_up(self) -> None:
        self._flush()
        self.abort()

    # ---- sending -------------------------------------------------------------------------------

    def send_headers(self, stream_id: int, headers: RawHeaders, ended: bool = False) -> bool:
        """Send the first headers of a stream; return False, and give it up, if that cannot be."""
        try:
            self.h2.send_headers(stream_id, headers, end_stream=ended)
        except ProtocolError as error:
            log.debug("cannot begin on stream %d: %s", stream_id, error)
            self.reset(stream_id, ErrorCodes.INTERNAL_ERROR)
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

    def reset(self, stream_id: int, code: ErrorCodes = ErrorCodes.CANCEL) -> None:
        """Give up a stream."""
        self._outgoing.pop(stream_id, None)
        try:
            self.h2.reset_stream(stream_id, code)
        except ProtocolError as error:
            log.debug("stream %d had ended: %s", stream_id, error)
        self.flush()

    def flush(self) -> None:
        """See to it that what has been written is sent, without waiting for it."""
        if not self._flush_is_due:
            self._flush_is_due = True
            eventlet.spawn_n(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        try:
            self._send()
        except OSError as error:
            log.debug("cannot send: %s", error)
            self.abort()

    def _send(self, seconds: float = SEND_SECONDS) -> None:
        with eventlet.Timeout(seconds, TimeoutError("nothing is taken")), self._sending:
            while data := self.h2.data_to_send():
                self.sock.sendall(data)

    def _push(self, stream_id: int) -> None:
        outgoing = self._outgoing[stream_id]
        try:
            done = self._hand_over(stream_id, outgoing)
        except ProtocolError as error:
            # Given up meanwhile; should it not be, nobody shall wait for the rest.
            log.debug("cannot send on stream %d: %s", stream_id, error)
            self.reset(stream_id, ErrorCodes.INTERNAL_ERROR)
            done = True
        if done:
            self._outgoing.pop(stream_id, None)
            self.on_sent(stream_id)
        self.flush()

    def _hand_over(self, stream_id: int, outgoing: Outgoing) -> bool:
        """Give h2 what the windows let through; return whether the stream is at its end."""
        while outgoing.data:
            room = self.h2.local_flow_control_window(stream_id)
            size = min(room, self.h2.max_outbound_frame_size, len(outgoing.data))
            if size <= 0:
                return False
            chunk = bytes(outgoing.data[:size])
            del outgoing.data[:size]
            last = outgoing.ended and outgoing.trailers is None and not outgoing.data
            self.h2.send_data(stream_id, chunk, end_stream=last)
            if last:
                return True
        if outgoing.ended and outgoing.trailers is not None:
            self.h2.send_headers(stream_id, outgoing.trailers, end_stream=True)
        elif outgoing.ended:
            self.h2.end_stream(stream_id)
        return outgoing.ended

    # ---- what the other end says ---------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        match event:
            case DataReceived():
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self.on_data(event.stream_id, event.data)
            case RequestReceived() | ResponseReceived() | TrailersReceived():
                self.on_headers(event.stream_id, event.headers)
            case StreamEnded():
                self.on_end(event.stream_id)
            case StreamReset():
                self._outgoing.pop(event.stream_id, None)
                self.on_reset(event.stream_id, event.error_code)
            case WindowUpdated():
                self._push_all()
            case RemoteSettingsChanged():
                self.on_settings()
                self._push_all()
            case PingAckReceived():
                self.on_pong()
            case ConnectionTerminated():
                self.on_goaway(event.last_stream_id or 0)

    def _push_all(self) -> None:
        for stream_id in list(self._outgoing):
            if stream_id in self._outgoing:
                self._push(stream_id)

    def on_headers(self, stream_id: int, headers: RawHeaders) -> None:
        """A stream's headers, or its trailers, have arrived."""
        raise NotImplementedError

    def on_data(self, stream_id: int, data: bytes) -> None:
        """A part of a stream's body has arrived."""
        raise NotImplementedError

    def on_end(self, stream_id: int) -> None:
        """The other end has said all on a stream."""
        raise NotImplementedError

    def on_reset(self, stream_id: int, code: int) -> None:
        """The other end has given up a stream."""
        raise NotImplementedError

    def on_closed(self) -> None:
        """The connection has ended: no stream goes on."""
        raise NotImplementedError

    def on_sent(self, stream_id: int) -> None:
        """Our side of a stream has been handed over to its end."""

    def on_settings(self) -> None:
        """The other end has announced its settings."""

    def on_pong(self) -> None:
        """The other end has answered our PING."""

    def on_goaway(self, last_stream_id: int) -> None:
        """The other end takes no stream beyond this one."""
