"""The gRPC server of a service: its port, its connections and its methods."""

import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import eventlet
from eventlet.event import Event
from eventlet.green import socket
from nameko.exceptions import ConfigurationError
from nameko.extensions import SharedExtension

from chassis import config
from chassis.grpc.call import Call
from chassis.grpc.health import Health
from chassis.grpc.server_connection import ServerConnection
from chassis.health.readiness import Readiness
from chassis.tls import Tls

log = logging.getLogger(__name__)

BACKLOG = 512
ACCEPT_PAUSE_SECONDS = 0.1


@dataclass
class Method:
    """What answers a path; a bounded method has RPC_TIMEOUT_SECONDS at most.

    ``waits`` tells whether to handle a call would wait for something now.
    """

    handle: Callable[[Call], None]
    bounded: bool = True
    waits: Callable[[], bool] = lambda: True


class GrpcServer(SharedExtension):
    """Listen on BIND_HOST and GRPC_BIND_PORT; hand calls to entrypoints and to health checks."""

    readiness = Readiness()

    def __init__(self) -> None:
        super().__init__()
        self.methods: dict[str, Method] = {}
        self.connections: set[ServerConnection] = set()
        self.stopping = Event()
        self._all_left = Event()
        self._listener: Any = None
        self._acceptor: Any = None

    def setup(self) -> None:
        """Bind the port, so that one that is taken stops the start; raise ConfigurationError."""
        self.seconds = config.positive("RPC_TIMEOUT_SECONDS")
        self.grace = config.positive("STOP_GRACE_SECONDS")
        self.max_connections = config.positive_integer("MAX_CONNECTIONS")
        self.max_message_bytes = config.positive_integer("GRPC_MAX_MESSAGE_BYTES")
        self.max_age = config.positive("GRPC_MAX_CONNECTION_AGE_SECONDS")
        self.tls = Tls(
            "GRPC_TLS_CLIENT_CA_FILE",
            "GRPC_TLS_CERT_FILE",
            "GRPC_TLS_KEY_FILE",
            server=True,
            alpn="h2",
        )
        health = Health(self)
        self.register("/grpc.health.v1.Health/Check", Method(health.check))
        self.register("/grpc.health.v1.Health/Watch", Method(health.watch, bounded=False))
        self._listener = _listen(config.text("BIND_HOST"), config.port("GRPC_BIND_PORT"))

    def register(self, path: str, method: Method) -> None:
        """Answer calls to ``path`` with ``method``."""
        self.methods[path] = method

    def start(self) -> None:
        """Accept connections."""
        self._acceptor = self.container.spawn_managed_thread(self._accept)

    def _accept(self) -> None:
        while True:
            try:
                self._welcome(self._listener.accept()[0])
            except OSError as error:  # no file descriptors left, say; this passes
                log.warning("cannot accept a connection: %s", error)
                eventlet.sleep(ACCEPT_PAUSE_SECONDS)

    def _welcome(self, sock: Any) -> None:
        if len(self.connections) >= self.max_connections and not self._make_room():
            sock.close()
            return
        connection = ServerConnection(self.tls.wrap(sock) if self.tls else sock, self)
        self.connections.add(connection)
        eventlet.spawn_n(connection.run)

    def _make_room(self) -> bool:
        """Close the connection that is missed least: without a call now, and for the longest."""
        idle = [connection for connection in self.connections if not connection.calls]
        if not idle:
            return False
        least = min(idle, key=lambda connection: connection.last_call)
        self.connections.discard(least)
        least.abort()
        return True

    def left(self, connection: ServerConnection) -> None:
        """Forget a connection that has ended."""
        self.connections.discard(connection)
        if self.stopping.ready() and not self.connections and not self._all_left.ready():
            self._all_left.send()

    def drain(self) -> None:
        """Take no new calls, finish those under way within STOP_GRACE_SECONDS, and hang up."""
        if self._close():
            for connection in list(self.connections):
                connection.say_farewell()
        if self.connections:
            self._all_left.wait(timeout=self.grace)
        self._hang_up()

    def stop(self) -> None:
        """Stop, where no entrypoint has done so."""
        self.drain()
        super().stop()

    def kill(self) -> None:
        """Hang up at once."""
        self._close()
        self._hang_up()

    def _close(self) -> bool:
        """Accept no more connections; return False if that was so already."""
        if self.stopping.ready():
            return False
        self.stopping.send()
        if self._acceptor is not None:
            self._acceptor.kill()
        if self._listener is not None:
            self._listener.close()
        return True

    def _hang_up(self) -> None:
        for connection in list(self.connections):
            connection.abort()


def _listen(host: str, port: int) -> Any:
    """Return a listening socket; raise ConfigurationError where the port cannot be had.

    eventlet's own (0.41.3) sets SO_REUSEPORT: two processes would share the port in silence.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        what = "is in use" if in_use else f"cannot be had: {error.strerror}"
        key = "GRPC_BIND_PORT" if in_use else "BIND_HOST or GRPC_BIND_PORT"
        raise ConfigurationError(f"port {port} on {host} {what} ({key} in config.yaml)") from None
    return listener
