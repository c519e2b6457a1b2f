"""One connection to one NATS server, from its first byte to its end.

No green thread of its own waits for it: the hub calls when there is something to read, and what
is published in one turn of the hub leaves together. Why not nats-py: docs/adr/0034.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import eventlet
from eventlet import hubs
from eventlet.event import Event
from eventlet.green import socket
from eventlet.green import ssl as green_ssl
from eventlet.hubs.hub import READ, WRITE

from chassis.nats import protocol
from chassis.nats.protocol import Control, Message, Parser, ProtocolError
from chassis.nats.sealed import READ_BYTES, Sealed
from chassis.nats.servers import NoTls, Server, Servers

log = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
PING_SECONDS = 2.0
_PINGS_OUTSTANDING = 2
# A server that reads no more is away: what it would get is an error, not a promise.
MOST_WAITING_BYTES = 4 << 20

_HARMLESS = ("permissions violation", "invalid subject")  # the server goes on after these
Deliver = Callable[[Message], None]


class Session:
    """A connection that is agreed upon; over once ``ended`` is ready, with the reason.

    ``deliver`` is called for each message, in the hub: it must not block. ``complain`` hears of
    what the server refuses and goes on after, and ``look`` is called as long as the hub lives.
    """

    def __init__(
        self,
        servers: Servers,
        server: Server,
        deliver: Deliver,
        complain: Callable[[Exception], None],
        look: Callable[[], None],
    ) -> None:
        self.over = False
        self.ended: Event = Event()
        self._deliver = deliver
        self._complain = complain
        self._look = look
        self._parser = Parser()
        self._said: deque[Message | Control] = deque()
        self._tls: Sealed | None = None
        self._unsent = b""
        self._out: list[bytes] = []
        self._flushing = False
        self._waiting_bytes = 0
        self._writer: Any = None
        self._reader: Any = None
        self._ping: Any = None
        self._unanswered = 0  # pings after which nothing came at all
        self._pongs: deque[Callable[[], None] | None] = deque()
        with eventlet.Timeout(CONNECT_SECONDS, TimeoutError("no answer")):
            self._socket = socket.create_connection((server.host, server.port))
            try:
                self._agree(servers, server)
            except BaseException:
                self._socket.close()
                raise
        self._listen()

    # -- beginning

    def _agree(self, servers: Servers, server: Server) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.info = self._next(b"INFO").info()
        if servers.tls is not None or self.info.get("tls_required"):
            if servers.tls is not None and not self.info.get("tls_required"):
                raise NoTls
            context = servers.tls.context() if servers.tls else green_ssl.create_default_context()
            self._tls = Sealed(self._socket, context, server.name)
            self._parser, self._said = Parser(), deque()  # what came before, anybody can have said
        options = {
            "verbose": False,
            "pedantic": False,
            "lang": "python",
            "version": "1",
            "protocol": 1,
            "headers": True,
            "no_responders": True,
            "tls_required": self._tls is not None,
            **servers.connect_options,
        }
        self._send(protocol.connect(options) + protocol.PING)
        self._next(b"PONG")

    def _next(self, verb: bytes) -> Control:
        """Wait for what the server has to say next."""
        while True:
            while not self._said:
                self._said.extend(self._parser.feed(self._receive()))
            said = self._said.popleft()
            if isinstance(said, Message):
                raise ProtocolError("a message before the agreement")
            if said.verb == verb:
                return said
            if said.verb == b"-ERR":
                raise ConnectionError(f"nats: {said.text.decode(errors='replace')}")

    def _receive(self) -> bytes:
        data: bytes = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the server hung up")
        return self._tls.opened(data) if self._tls else data

    def _send(self, data: bytes) -> None:
        self._socket.sendall(self._tls.sealed(data) if self._tls else data)

    def _listen(self) -> None:
        hub = hubs.get_hub()
        self._raw = self._socket.fd  # from here on without waiting
        self._reader = hub.add(READ, self._raw.fileno(), self._on_readable, self._on_closed, None)
        self._ping = hub.schedule_call_global(PING_SECONDS, self._keep_alive)

    # -- reading

    def _on_readable(self, _: int) -> None:
        try:
            data = self._raw.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.end(error)
            return
        if data:
            self._unanswered = 0
            self._read(data)
        else:
            self.end(ConnectionResetError("the server hung up"))

    def _read(self, data: bytes) -> None:
        try:
            for said in self._parser.feed(self._tls.opened(data) if self._tls else data):
                if isinstance(said, Message):
                    self._deliver(said)
                else:
                    self._heed(said)
                if self.over:
                    return
        except (OSError, ValueError) as error:  # also of TLS
            self.end(error)

    def _heed(self, said: Control) -> None:
        if said.verb == b"PING":
            self.write(protocol.PONG)
        elif said.verb == b"PONG":
            heard = self._pongs.popleft() if self._pongs else None
            if heard is not None:
                heard()
        elif said.verb == b"INFO":
            self.info = said.info()
        elif said.verb == b"-ERR":
            text = said.text.decode(errors="replace").lower()
            error = ConnectionError(f"nats: {text}")
            if any(harmless in text for harmless in _HARMLESS):
                self._complain(error)
            else:
                self.end(error)

    def _on_closed(self, *_: Any) -> None:
        self.end(ConnectionResetError("the socket was closed"))

    # -- writing

    @property
    def is_stuck(self) -> bool:
        """Say whether the server takes nothing more."""
        return self._waiting_bytes > MOST_WAITING_BYTES

    def write(self, data: bytes) -> None:
        """Send along with all that this turn of the hub has to send."""
        self._out.append(data)
        self._waiting_bytes += len(data)
        if not self._flushing:
            self._flushing = True
            hubs.get_hub().schedule_call_global(0, self._flush)

    def ping(self, heard: Callable[[], None] | None = None) -> None:
        """Call back when the server has all that was written so far."""
        self._pongs.append(heard)
        self.write(protocol.PING)

    def _flush(self, *_: Any) -> None:
        if self.over:
            return
        data, self._out = b"".join(self._out), []
        if self._tls and data:
            data = self._tls.sealed(data)
        data = self._unsent + data if self._unsent else data
        try:
            sent = self._raw.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self.end(error)
            return
        self._unsent = data[sent:]
        self._waiting_bytes = len(self._unsent)
        self._await_room(bool(self._unsent))

    def _await_room(self, wanted: bool) -> None:
        hub = hubs.get_hub()
        if wanted and self._writer is None:
            fd = self._raw.fileno()
            self._writer = hub.add(WRITE, fd, self._flush, self._on_closed, None)
        elif not wanted and self._writer is not None:
            hub.remove(self._writer)
            self._writer = None
        self._flushing = wanted

    # -- ending

    def _keep_alive(self) -> None:
        self._look()
        self._unanswered += 1
        if self._unanswered > _PINGS_OUTSTANDING:
            self.end(ConnectionError("stale connection"))
        else:
            self.ping()
            self._ping = hubs.get_hub().schedule_call_global(PING_SECONDS, self._keep_alive)

    def end(self, why: Exception) -> None:
        """Close the connection."""
        if self.over:
            return
        self.over = True
        self.ended.send(why)
        hub = hubs.get_hub()
        for listener in filter(None, (self._reader, self._writer)):
            hub.remove(listener)
        self._reader = self._writer = None
        self._ping.cancel()
        self._socket.close()
