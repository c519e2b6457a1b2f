"""The web server of a service: one per container, on the service's own port."""

import contextlib
import errno
import logging
import os
import time
from collections import Counter
from collections.abc import Collection
from http import HTTPStatus
from typing import Any

import eventlet
from eventlet.event import Event
from eventlet.green import socket
from nameko.exceptions import ConfigurationError
from nameko.web.server import WebServer as NamekoWebServer

from chassis import config
from chassis.errors import ServiceError
from chassis.http.connection import IDLE, READING, Connection, Serving
from chassis.http.door import Door
from chassis.http.head import Limits, Refusal
from chassis.http.traffic import Traffic
from chassis.http.wsgi import App, Page
from chassis.telemetry import metrics

_log = logging.getLogger(__name__)

BACKLOG = 256
# How long a stopping server still listens to connections that clients keep alive: one more
# request on each is answered, with ``Connection: close``, instead of being lost on its way.
LAST_REQUEST_SECONDS = 1.0
# A connection that waits for its client makes room for a new one when there are too many.
_WAITING = (IDLE, READING)
_EXHAUSTED_SECONDS = 0.1
_POLL_SECONDS = 0.01
_FULL = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "too_many_connections", "Too many connections; try again."
)
_CONNECTIONS = metrics.Watched("http_connections", "HTTP connections that are open.")


class WebServer(NamekoWebServer):
    """nameko's web server with limits, a strict reader, and a stop that loses no request."""

    port_key = "HTTP_PORTS"

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[Page] = []
        self.bodies: dict[str, int] = {}  # what other than MAX_BODY_BYTES is the most, by path
        self.door = Door()  # another one may be hung in ``setup()``
        self._starting = False
        self._connections: dict[Connection, None] = {}  # in the order in which they came
        self._drained: Event | None = None

    def add_page(self, page: Page) -> None:
        """Serve a page, which needs no worker; call it in ``setup()``."""
        self.pages.append(page)

    def address(self) -> tuple[str, int]:
        """Return host and port; raise ConfigurationError naming the key.

        Not nameko's property ``bind_addr``: nameko (3.0.0rc11) reads every property of an
        extension while it binds, also of a server that this service does not want.
        """
        key = f"{self.port_key}.{self.container.service_name}"
        return config.text("BIND_HOST"), config.port(key)

    def setup(self) -> None:
        """Take the port, so that a taken one stops the start."""
        self.max_connections = config.positive_integer("MAX_CONNECTIONS")
        self.grace_seconds = config.positive("STOP_GRACE_SECONDS")
        self.read_seconds = config.positive("REQUEST_READ_SECONDS")
        self.exchange_seconds = config.positive("EXCHANGE_SECONDS")
        self.idle_seconds = config.positive("KEEP_ALIVE_SECONDS")
        self.logs = config.boolean("ACCESS_LOG", default=False)
        shared = config.boolean("SHARE_HTTP_PORT", default=False)
        self.shared = shared and self.port_key == WebServer.port_key
        self.limits = Limits(
            line=config.positive_integer("MAX_HEADER_LINE_BYTES"),
            head=config.positive_integer("MAX_HEADER_BYTES"),
            body=config.positive_integer("MAX_BODY_BYTES"),
            bodies=self.bodies,
        )
        self._sock = self._listen()
        self.offer_numbers()

    def offer_numbers(self) -> None:
        """Let the connections be counted."""
        service = self.container.service_name
        _CONNECTIONS.watch(service, read=lambda: len(self._connections))

    def _listen(self) -> Any:
        host, port = self.address()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            # eventlet (0.41.3) sets SO_REUSEPORT by default, and two services share the port.
            sock = eventlet.listen((host, port), family, backlog=BACKLOG, reuse_port=self.shared)
        except OSError as exc:
            taken = exc.errno == errno.EADDRINUSE
            what = "is in use" if taken else f"cannot be had: {exc.strerror}"
            key = f"{self.port_key}.{self.container.service_name}"
            if not taken:
                key = f"BIND_HOST or {key}"
            # Raised before nameko waits for it, eventlet's queue would print a traceback.
            eventlet.sleep(0)
            error = f"port {port} on {host} {what} ({key} in config.yaml)"
            raise ConfigurationError(error) from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
        return sock

    def start(self) -> None:
        """Begin to accept connections."""
        self._starting = True
        self._serving = Serving.at(
            self._sock.getsockname(),
            app=self.get_wsgi_app(),
            limits=self.limits,
            read_seconds=self.read_seconds,
            exchange_seconds=self.exchange_seconds,
            idle_seconds=self.idle_seconds,
        )
        self._gt = self.container.spawn_managed_thread(self.run)

    def get_wsgi_app(self) -> App:
        """Return what answers: the routes of all entrypoints and pages."""
        providers = [*self._providers, *self.pages]
        quiet = {page.path for page in self.pages}
        return App(providers, Traffic(self.container.service_name, self.logs, quiet), self.door)

    def run(self) -> None:
        """Accept connections until the thread is killed."""
        try:
            self._accept()
        finally:
            self._is_accepting = False

    def _accept(self) -> None:
        failing = False
        while True:
            try:
                sock, address = self._sock.accept()
            except OSError as exc:
                # No file descriptor left, say: those that end make room for the next.
                if not failing:
                    _log.warning("cannot accept connections: %s", os.strerror(exc.errno or 0))
                failing = True
                self._evict(_WAITING)
                eventlet.sleep(_EXHAUSTED_SECONDS)
                continue
            failing = False
            self._admit(sock, address)

    def _admit(self, sock: Any, address: Any) -> None:
        if len(self._connections) >= self.max_connections and not self._evict(_WAITING):
            with contextlib.closing(sock), contextlib.suppress(OSError):
                self._serving.app.refuse(_FULL).send(sock, "close")
            return
        connection = Connection(sock, address, self._serving)
        self._connections[connection] = None
        eventlet.spawn_n(self._serve, connection)

    def _evict(self, states: Collection[str]) -> bool:
        """Close a connection in one of ``states``; return False if there is none.

        The oldest of the address that has the most, so that nobody crowds out others.
        """
        waiting = [each for each in self._connections if each.state in states]
        if not waiting:
            return False
        held = Counter(each.address[0] for each in waiting)
        max(waiting, key=lambda each: held[each.address[0]]).close()
        return True

    def _serve(self, connection: Connection) -> None:
        """Serve one connection to its end; no fault of it may reach the container."""
        try:
            connection.serve()
        except (OSError, eventlet.Timeout):
            _log.debug("a client left")
        except ServiceError as error:
            _log.warning("an answer broke off: %s", error)
        except Exception:
            _log.exception("connection failed")
        finally:
            connection.close()
            connection.sock.close()
            del self._connections[connection]

    def drain(self, last_request_seconds: float = LAST_REQUEST_SECONDS) -> None:
        """Take no new connection, answer what has been asked, and return when all are closed."""
        if self._sock is None:
            return
        if self._drained:
            self._drained.wait()
            return
        self._drained = Event()
        try:
            if self._starting:
                self._serving.keeps = False
                # A thread that failed is killing the container: killed itself, it would stop there.
                if self._is_accepting:
                    self._gt.kill()
                self._admit_backlog()
            self._sock.close()
            self._finish(time.monotonic(), last_request_seconds)
        finally:
            self._drained.send()

    def _admit_backlog(self) -> None:
        """Accept who is waiting already: closing the port would reset them."""
        self._sock.settimeout(0)
        with contextlib.suppress(OSError):
            while True:
                self._admit(*self._sock.accept())

    def _finish(self, began: float, last_request_seconds: float) -> None:
        while self._connections and (spent := time.monotonic() - began) < self.grace_seconds:
            if spent >= last_request_seconds:
                while self._evict((IDLE,)):
                    pass
            eventlet.sleep(_POLL_SECONDS)
        for connection in list(self._connections):
            connection.close()

    def stop(self) -> None:
        """Stop, once every entrypoint has: those drain the server before their workers end."""
        self.drain(last_request_seconds=0)
        self.wait_for_providers()

    def kill(self) -> None:
        """Stop without grace."""
        self.drain(last_request_seconds=0)
