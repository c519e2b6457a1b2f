"""One client's connection: requests in through ``wire``, answers out through eventlet."""

import re
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import eventlet
from eventlet import greenio, wsgi
from eventlet.green import socket
from eventlet.hubs import get_hub
from werkzeug.wrappers import Response

from chassis.http.head import Head, Refusal, body_length
from chassis.http.wire import Reader

# Beside eventlet's states: a request has begun to arrive.
STATE_READING = "reading"
_FRAMING = ("content-length", "transfer-encoding", "expect")
_LINGER_SECONDS = 1.0


def raw_answer(response: Response) -> bytes:
    """Return ``response`` as the bytes of the last answer on its connection."""
    body = response.get_data()
    lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {text}" for name, text in response.headers)]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


class Connection(wsgi.HttpProtocol):
    """eventlet's connection with its own strict reader in front.

    A request is read whole, its body too, before anything is done about it: so a slow client
    costs a green thread and at most MAX_BODY_BYTES, and never a worker.
    """

    def setup(self) -> None:
        """Prepare to read."""
        super().setup()
        self.capitalize_response_headers = False
        self.reader = Reader(self.connection, self.server.limits)
        self.answered = 0

    def handle_one_request(self) -> None:
        """Read one request and answer it; set ``close_connection`` when it was the last."""
        self.close_connection = True
        try:
            request = self._read()
        except Refusal as refusal:
            self._refuse(refusal)
            return
        except OSError:
            return
        if request is None:
            return
        head, body = request
        self.conn_state[2] = wsgi.STATE_REQUEST
        self._adopt(head)
        self.environ = self._environ(head, body)
        self.application = self.server.app
        timer = get_hub().schedule_call_global(
            self.server.exchange_seconds, greenio.shutdown_safe, self.connection
        )
        try:
            self.handle_one_response()
        finally:
            timer.cancel()
        self.answered += 1

    def _read(self) -> tuple[Head, bytes] | None:
        """Return the next request, or None when the client has nothing more to say."""
        seconds = self.server.read_seconds
        if not self.reader.buffer:
            alive = False
            with eventlet.Timeout(self.server.idle_seconds if self.answered else seconds, False):
                alive = self.reader.receive()
            if not alive:
                return None
        self.conn_state[2] = STATE_READING
        with eventlet.Timeout(seconds, _timed_out()):
            head = self.reader.head()
        length = body_length(head)
        if length == 0:
            return head, b""
        self._continue(head, length)
        with eventlet.Timeout(seconds, _timed_out()):
            return head, self.reader.body(length)

    def _continue(self, head: Head, length: int | None) -> None:
        """Ask for the body where the client waits to be asked."""
        expected = head.all("expect")
        if not expected or head.version == "HTTP/1.0":
            return
        if [text.lower() for text in expected] != ["100-continue"]:
            raise Refusal(
                HTTPStatus.EXPECTATION_FAILED, "expectation_failed", "Expect 100-continue."
            )
        self.reader.check_length(length)
        self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _adopt(self, head: Head) -> None:
        """Set what eventlet's half wants to know of the request."""
        options = set(re.split(r"[ \t]*,[ \t]*", ",".join(head.all("connection")).lower()))
        self.command = head.method
        self.request_version = head.version
        self.requestline = f"{head.method} {head.version}"
        keep = "close" not in options and (head.version == "HTTP/1.1" or "keep-alive" in options)
        self.close_connection = not keep
        self.headers = {"Connection": "keep-alive" if "keep-alive" in options and keep else ""}

    def _environ(self, head: Head, body: bytes) -> dict[str, Any]:
        path, _, query = head.target.partition("?")
        source = BytesIO(body)
        environ: dict[str, Any] = {
            **self.server.get_environ(),
            "REQUEST_METHOD": head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": head.version,
            "SERVER_NAME": self.server.address[0],
            "SERVER_PORT": str(self.server.address[1]),
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": source,
            "eventlet.input": wsgi.Input(source, len(body), self.connection),
            "eventlet.posthooks": [],
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
        self.conn_state[2] = wsgi.STATE_REQUEST
        with eventlet.Timeout(_LINGER_SECONDS, False):
            try:
                self.connection.sendall(raw_answer(self.server.app.refuse(refusal)))
                self.connection.shutdown(socket.SHUT_WR)
                while self.connection.recv(65536):
                    pass
            except OSError:
                return


def _timed_out() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive."
    )
