"""An HTTP/2 connection that costs nothing while it is idle.

nameko-grpc (1.4.0rc3) asks socket and streams every 10 ms whether there is something to do: a
call takes 12 ms, and each idle connection a part of the processor. Here one green thread blocks
in reading, and the sending half sends when something is written.
"""

import logging

import eventlet

from chassis.grpc.http2 import Http2Error
from chassis.grpc.sender import Sender

log = logging.getLogger(__name__)

READ_BYTES = 16384
FAIR_BYTES = 8192
FAREWELL_SECONDS = 0.5


class Connection(Sender):
    """One end of an HTTP/2 connection; subclasses say what arrives means."""

    failure: Exception | None = None  # what has ended it

    def run(self) -> None:
        """Serve the connection until it ends, whatever the other end does."""
        try:
            self.http2.begin()
            self._send()
            self._read()
        except (Http2Error, OSError, EOFError) as error:
            self.failure = error
            log.debug("connection ended: %s", error)
        except Exception:
            log.exception("connection failed")
        finally:
            self._close()

    def _read(self) -> None:
        taken = 0
        while data := self.sock.recv(READ_BYTES):
            self.http2.receive(data)
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
        self._outgoing.clear()  # what is made into frames goes out, GOAWAY at its end
        try:
            self._send(FAREWELL_SECONDS)
        except OSError as error:
            log.debug("the connection ended without a farewell: %s", error)
        self.sock.close()

    def on_reset(self, stream_id: int, code: int) -> None:
        """The other end has given up a stream."""
        self._outgoing.pop(stream_id, None)

    def on_window(self) -> None:
        """The other end takes more than before."""
        self._push_all()

    def on_settings(self) -> None:
        """The other end has announced its settings."""
        self._push_all()

    def on_closed(self) -> None:
        """The connection has ended: no stream goes on."""
        raise NotImplementedError
