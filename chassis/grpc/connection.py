"""An HTTP/2 connection that costs nothing while it is idle.

nameko-grpc (1.4.0rc3) asks socket and streams every 10 ms whether there is something to do: a
call takes 12 ms, and each idle connection a part of the processor. Here one green thread blocks
in reading, and the sending half sends when something is written.
"""

import logging

import eventlet
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
from h2.exceptions import H2Error

from chassis.grpc.sender import RawHeaders, Sender

log = logging.getLogger(__name__)

READ_BYTES = 16384
FAIR_BYTES = 8192
FAREWELL_SECONDS = 0.5


class Connection(Sender):
    """One end of an HTTP/2 connection; subclasses say what its events mean."""

    failure: Exception | None = None  # what has ended it

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
            self.failure = error
            log.debug("connection ended: %s", error)
        except Exception:
            log.exception("connection failed")
        finally:
            self._close()

    def _read(self) -> None:
        taken = 0
        while data := self.sock.recv(READ_BYTES):
            for event in self.h2.receive_data(data):
                self._on_event(event)
            # Waits while the other end does not take what it made us say, PING upon PING.
            self._send()
            taken += len(data)
            if taken > FAIR_BYTES:
                # A socket that always has more to read lets no other green thread run.
                eventlet.sleep(0)
                taken = 0

    def _close(self) -> None:
        self.closed = True
        self.on_closed()
        self._outgoing.clear()  # what is with h2 goes out, GOAWAY at its end
        try:
            self._send(FAREWELL_SECONDS)
        except OSError as error:
            log.debug("the connection ended without a farewell: %s", error)
        self.sock.close()

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

    def on_settings(self) -> None:
        """The other end has announced its settings."""

    def on_pong(self) -> None:
        """The other end has answered our PING."""

    def on_goaway(self, last_stream_id: int) -> None:
        """The other end takes no stream beyond this one."""
