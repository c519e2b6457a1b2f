"""One client's connection: requests in through ``wire``, answers out through ``answer``."""

import re
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import eventlet
from eventlet import greenio
from eventlet.green import socket
from eventlet.hubs import get_hub
from eventlet.semaphore import Semaphore

from chassis.http.delivery import Delivery
from chassis.http.head import Head, Limits, Refusal, body_length
from chassis.http.wire import Reader
from chassis.http.wsgi import App

# Where a connection is: it waits for a request, reads one, answers it, or is about to be closed.
IDLE, READING, ANSWERING, CLOSED = "idle", "reading", "answering", "closed"
LONG_BODIES = 4  # at a time, of all connections
_FRAMING = ("content-length", "transfer-encoding", "expect")
_LINGER_SECONDS = 1.0
_OPTIONS = re.compile(r"[ \t]*,[ \t]*")
# What PEP 3333 wants of an environ beside what the request says.
_ENVIRON = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


@dataclass
class Serving:
    """What all connections of a server share."""

    app: App
    limits: Limits
    read_seconds: float
    exchange_seconds: float
    idle_seconds: float
    environ: dict[str, Any]
    keeps: bool = True  # whether a connection may wait for its next request
    # Longer bodies than MAX_BODY_BYTES, from their head to their answer: who sends one has shown
    # no token yet, and must not fill the memory with those of others.
    long_bodies: Semaphore = field(default_factory=lambda: Semaphore(LONG_BODIES))

    @classmethod
    def at(cls, address: tuple[str, int], **settings: Any) -> "Serving":
        """Serve at an address."""
        environ = {**_ENVIRON, "SERVER_NAME": address[0], "SERVER_PORT": str(address[1])}
        return cls(environ=environ, **settings)


class Connection:
    """A client, from its first request to its last.

    A request is read whole, its body too, before anything is done about it: so a slow client
    costs a green thread and at most MAX_BODY_BYTES, and never a worker.
    """

    def __init__(self, sock: Any, address: Any, serving: Serving) -> None:
        self.sock = sock
        self.address = address
        self.state = IDLE
        self._serving = serving
        self._reader = Reader(sock, serving.limits)
        self._answered = 0
        self._has_place = False
        self._timer: Any = None  # ends an exchange that takes too long
        self._delivery: Delivery | None = None

    def serve(self) -> None:
        """Answer requests until the client, or we, have had enough."""
        try:
            while self._serve_one() and self.state != CLOSED:
                self._give_place_back()
                self.state = IDLE
        finally:
            self._give_place_back()

    def close(self) -> None:
        """Let nothing more be said, by whoever is at it."""
        self.state = CLOSED
        if self._delivery is not None and self._delivery.is_under_way:
            self._delivery.break_off()
        elif self._delivery is None or not self._delivery.resets:
            greenio.shutdown_safe(self.sock)

    def _serve_one(self) -> bool:
        """Read a request and answer it; return whether there may be another one."""
        try:
            request = self._read()
        except Refusal as refusal:
            self._refuse(refusal)
            return False
        except OSError:
            return False
        if request is None:
            return False
        head, body = request
        self.state = ANSWERING
        self._timer = get_hub().schedule_call_global(
            self._serving.exchange_seconds, greenio.shutdown_safe, self.sock
        )
        try:
            keeps = self._answer(head, body)
        finally:
            self._timer.cancel()
        self._answered += 1
        return keeps

    def _read(self) -> tuple[Head, bytes] | None:
        """Return the next request, or None when the client has nothing more to say."""
        reader, seconds = self._reader, self._serving.read_seconds
        if not reader.buffer and not self._begins():
            return None
        self.state = READING
        # Mostly it is all there, and needs no clock.
        if reader.has_head():
            head = reader.head()
        else:
            with eventlet.Timeout(seconds, _timed_out()):
                head = reader.head()
        length = body_length(head)
        if length == 0:
            return head, b""
        self._take_place(head, length)
        self._continue(head, length)
        if reader.has(length):
            return head, reader.body(length)
        with eventlet.Timeout(seconds, _timed_out()):
            return head, reader.body(length)

    def _begins(self) -> bool:
        """Wait for the first bytes of a request; return False if there are none in time."""
        serving = self._serving
        self.sock.settimeout(serving.idle_seconds if self._answered else serving.read_seconds)
        try:
            return self._reader.receive()
        except TimeoutError:
            return False
        finally:
            self.sock.settimeout(None)

    def _take_place(self, head: Head, length: int | None) -> None:
        """Let only so many long bodies be here at a time; raise Refusal."""
        limits = self._serving.limits
        if limits.body_of(head) <= limits.body or (length is not None and length <= limits.body):
            return
        self._has_place = self._serving.long_bodies.acquire(blocking=False)
        if not self._has_place:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "busy", "Too many files are arriving; try again."
            )

    def _give_place_back(self) -> None:
        if self._has_place:
            self._has_place = False
            self._serving.long_bodies.release()

    def _continue(self, head: Head, length: int | None) -> None:
        """Ask for the body where the client waits to be asked."""
        expected = head.all("expect")
        if not expected or head.version == "HTTP/1.0":
            return
        if [text.lower() for text in expected] != ["100-continue"]:
            raise Refusal(
                HTTPStatus.EXPECTATION_FAILED, "expectation_failed", "Expect 100-continue."
            )
        self._reader.check_length(length)
        self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self, head: Head, body: bytes) -> bool:
        """Have a request answered and send that; return whether the connection goes on."""
        asked, wishes = _wishes(head)
        answer = self._serving.app.answer(self._environ(head, body))
        keeps = wishes and self._serving.keeps and self.state != CLOSED and not answer.ends
        says = ("keep-alive" if asked else "") if keeps else "close"
        with closing(answer):
            if answer.is_made_meanwhile:
                self._timer.cancel()
                self._delivery = Delivery(self.sock, self._serving.exchange_seconds)
                self._delivery.send(answer, says)
            else:
                answer.send(self.sock, says)
        return keeps

    def _environ(self, head: Head, body: bytes) -> dict[str, Any]:
        path, _, query = head.target.partition("?")
        environ: dict[str, Any] = {
            **self._serving.environ,
            "REQUEST_METHOD": head.method,
            "PATH_INFO": unquote(path, "latin-1") if "%" in path else path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": head.version,
            "REMOTE_ADDR": self.address[0],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
        }
        for name, texts in head.headers.items():
            # An underscore would make two different names one key (eventlet drops them too).
            if "_" in name or name in _FRAMING:
                continue
            key = name.upper().replace("-", "_")
            environ[key if name == "content-type" else "HTTP_" + key] = ",".join(texts)
        return environ

    def _refuse(self, refusal: Refusal) -> None:
        """Say why, and close without the reset that would take the answer away."""
        self.state = ANSWERING
        with eventlet.Timeout(_LINGER_SECONDS, False):
            try:
                self._serving.app.refuse(refusal).send(self.sock, "close")
                self.sock.shutdown(socket.SHUT_WR)
                while self.sock.recv(65536):
                    pass
            except OSError:
                return


def _wishes(head: Head) -> tuple[bool, bool]:
    """Return whether a request asks for keep-alive by name, and whether there may be another."""
    given = head.all("connection")
    if not given:
        return False, head.version == "HTTP/1.1"
    options = set(_OPTIONS.split(",".join(given).lower()))
    asked = "keep-alive" in options
    return asked, "close" not in options and (asked or head.version == "HTTP/1.1")


def _timed_out() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive."
    )
