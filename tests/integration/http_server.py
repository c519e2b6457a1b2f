"""The toy service of the HTTP tests as a process, and ways to speak to it."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from embedded import ports
from tests.processes import ServiceProcess, until

SERVICE = "tests.integration.http_services"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "chassis.telemetry.logs.JsonFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {"nameko": {"level": "WARNING"}, "nameko.containers": {"level": "CRITICAL"}},
}


class Server:
    """The toy service on a free port."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.port, self.metrics_port = ports.free_port(), ports.free_port()
        config = {
            "SERVICE_CONTAINER_CLS": "chassis.container.Container",
            "BIND_HOST": "127.0.0.1",
            "HTTP_PORTS": {"toy": self.port},
            "METRICS_PORTS": {"toy": self.metrics_port},
            "RPC_TIMEOUT_SECONDS": 2,
            "STOP_GRACE_SECONDS": 3,
            "REQUEST_READ_SECONDS": 1,
            "EXCHANGE_SECONDS": 4,
            "KEEP_ALIVE_SECONDS": 1,
            "MAX_CONNECTIONS": 50,
            "MAX_BODY_BYTES": 1000,
            "MAX_UPLOAD_BYTES": 5000,
            "MAX_HEADER_LINE_BYTES": 1000,
            "MAX_HEADER_BYTES": 4000,
            "max_workers": 4,
            "LOGGING": LOGGING,
            **settings,
        }
        self.process = ServiceProcess(SERVICE, config=config, folder=folder)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def client(self, port: int = 0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=5)

    def get(self, path: str, method: str = "GET", port: int = 0, **more: Any) -> "Answer":
        with closing(self.client(port)) as client:
            client.request(method, path, **more)
            return Answer(client.getresponse())

    def metrics(self) -> bytes:
        return self.get("/metrics", port=self.metrics_port).body

    def live(self) -> bool:
        return self.get("/health/live").status == 200

    def talk(self, raw: bytes) -> bytes:
        """Send bytes and return all that comes back until the server closes."""
        with closing(self.connect()) as sock:
            sock.sendall(raw)
            return received(sock)


class Answer:
    """An answer, read whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def received(sock: socket.socket) -> bytes:
    raw = b""
    while piece := sock.recv(65536):
        raw += piece
    return raw


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Server]:
    server = Server(folder, **settings)
    server.process.start()
    try:
        until(server.live)
        yield server
    finally:
        server.process.stop()


def log(server: Server) -> list[dict[str, Any]]:
    lines = server.process.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]
