"""The way to a server: connected when it is first needed, and again whenever it is lost.

nameko-grpc (1.4.0rc3) connects when the container starts, and kills the container when the
server is away, then or later.
"""

import logging
import random
import ssl
import time

import eventlet
from eventlet.event import Event
from eventlet.green import socket

from chassis.grpc import framing
from chassis.grpc.client_connection import ClientConnection, NotProcessed
from chassis.grpc.http2 import RawHeaders
from chassis.grpc.statuses import away, timed_out
from chassis.tls import Tls, reason

log = logging.getLogger(__name__)

CONNECT_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
ATTEMPTS = 3


class Channel:
    """One HTTP/2 connection at a time to ``host``, looked up anew for each connection."""

    def __init__(
        self,
        host: str,
        port: int,
        limit: int = framing.MAX_MESSAGE_BYTES,
        tls: Tls | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.limit = limit
        self._tls = tls
        self._distrusted = False
        self._connection: ClientConnection | None = None
        self._connecting: Event | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._not_before = 0.0

    def call(self, headers: RawHeaders, message: bytes, seconds: float) -> bytes:
        """Return the answer within ``seconds``; raise a kind of ServiceError.

        Made again only where the server has certainly not looked at the call.
        """
        deadline = time.monotonic() + seconds
        for _ in range(ATTEMPTS):
            connection = self._connected(deadline - time.monotonic())
            left = deadline - time.monotonic()
            if left <= 0:
                raise timed_out()
            timeout = (b"grpc-timeout", framing.format_timeout(left).encode())
            try:
                return connection.call([*headers, timeout], message, left)
            except NotProcessed:
                log.debug("%s:%d has not processed a call", self.host, self.port)
        raise away()

    def close(self) -> None:
        """Hang up when the calls under way have ended."""
        if self._connection is not None:
            self._connection.retire()

    def _connected(self, seconds: float) -> ClientConnection:
        if self._connection is not None and self._connection.usable:
            return self._connection
        if self._connecting is None:
            if time.monotonic() < self._not_before:
                raise away()
            self._connecting = Event()
            eventlet.spawn_n(self._connect, self._connecting)
        connection = self._connecting.wait(timeout=max(0.0, seconds))
        if connection is None:
            raise away()
        return connection

    def _connect(self, connected: Event) -> None:
        """Connect for all who wait; after a failure nobody tries again for a while."""
        connection = None
        try:
            connection = self._reach()
            self._pause = FIRST_PAUSE_SECONDS
            self._distrusted = False
        except Exception as error:
            self._complain(error)
            self._not_before = time.monotonic() + self._pause * random.uniform(0.5, 1)  # noqa: S311 - no secret
            self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2)
        finally:
            self._connection, self._connecting = connection, None
            connected.send(connection)

    def _complain(self, error: Exception) -> None:
        """Log, once and not for every try, what does not pass by itself."""
        log.debug("cannot reach %s:%d: %s", self.host, self.port, error)
        if isinstance(error, ssl.SSLError) and not self._distrusted:
            self._distrusted = True
            log.warning(
                "no TLS with %s:%d (%s); see GRPC_TLS_CA_FILE and its like",
                *(self.host, self.port, reason(error)),
            )

    def _reach(self) -> ClientConnection:
        """Return a connection whose server has greeted us: a frozen one accepts, but is silent."""
        connection = None
        try:
            with eventlet.Timeout(CONNECT_SECONDS, TimeoutError("no greeting")):
                sock = socket.create_connection((self.host, self.port))
                if self._tls is not None:
                    sock = self._tls.wrap(sock, self.host)
                    sock.handshake()
                connection = ClientConnection(sock, self.limit)
                eventlet.spawn_n(connection.run)
                if not connection.greeted.wait():
                    raise connection.failure or ConnectionError("no HTTP/2")
        except BaseException:
            if connection is not None:
                connection.abort()
            raise
        return connection
