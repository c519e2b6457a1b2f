"""PostgreSQL and Valkey over TLS: real servers that can, and a door before the wheels' that cannot.

PyPI's wheels are built without TLS. The door ends it in front of them; the client's side, which is
ours, is the same.
"""

import contextlib
import os
import shutil
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from redis import Redis

from embedded import ports
from embedded.postgres import PostgresServer
from embedded.postgres_home import give
from embedded.server import HOST, Server
from tests.certificates import Certificate

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class Door:
    """Accept TLS on a port of its own, and hand what is said on to a server that has none."""

    def __init__(self, behind: int, shown: Certificate, *, asked_first: bool = False) -> None:
        self._behind = behind
        self._asked_first = asked_first  # PostgreSQL's clients ask in the clear: TLS?
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(shown.cert, shown.key)
        self._listening = socket.create_server((HOST, 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> "Door":
        self._threads[0].start()
        return self

    def __exit__(self, *_: Any) -> None:
        _shut(self._listening)
        self._threads[0].join(10)
        _shut(*self._open)
        for each in self._threads:
            each.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError), self._listening:
            while True:
                client, _ = self._listening.accept()
                self._open.append(client)
                serving = threading.Thread(target=self._serve, args=[client], daemon=True)
                self._threads.append(serving)
                serving.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, AssertionError):
            if self._asked_first:
                assert client.recv(len(SSL_REQUEST), socket.MSG_WAITALL) == SSL_REQUEST
                client.sendall(b"S")
            with (
                self._context.wrap_socket(client, server_side=True) as secure,
                socket.create_connection((HOST, self._behind)) as server,
            ):
                self._open += [secure, server]
                asking = threading.Thread(target=_pump, args=[secure, server], daemon=True)
                asking.start()
                _pump(server, secure)
                asking.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            target.sendall(data)
    _shut(source, target)


def _shut(*connections: socket.socket) -> None:
    for each in connections:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


class SecurePostgres(PostgresServer):
    """PostgreSQL with ``ssl = on``."""

    def __init__(self, folder: Path, shown: Certificate, programs: Path) -> None:
        super().__init__(folder, ports.free_port(), programs=programs)
        self.shown = shown

    def prepare(self) -> None:
        super().prepare()
        for source in (self.shown.cert, self.shown.key):
            copy = Path(shutil.copy(source, self.folder / Path(source).name))
            copy.chmod(0o600)
            give(copy, self.account)

    def command(self) -> Sequence[str | Path]:
        cert, key = (self.folder / Path(each).name for each in (self.shown.cert, self.shown.key))
        tls = ["-c", "ssl=on", "-c", f"ssl_cert_file={cert}", "-c", f"ssl_key_file={key}"]
        return [*super().command(), *tls]


class SecureRedis(Server):
    """Redis or Valkey that speaks TLS alone."""

    name = "Redis"

    def __init__(self, folder: Path, shown: Certificate, program: str) -> None:
        super().__init__(folder, ports.free_port())
        self.shown = shown
        self.program = program

    def command(self) -> Sequence[str | Path]:
        files = ["--tls-cert-file", self.shown.cert, "--tls-key-file", self.shown.key]
        tls = ["--tls-port", str(self.port), *files, "--tls-auth-clients", "no"]
        return [self.program, "--port", "0", "--bind", HOST, "--save", "", *tls]

    def answers(self) -> bool:
        with contextlib.suppress(Exception), self._client() as client:
            return bool(client.ping())
        return False

    def _client(self) -> Redis:
        return Redis(HOST, self.port, ssl=True, ssl_cert_reqs="none", ssl_check_hostname=False)


def postgres_with_tls() -> Path | None:
    """Return the programs of a PostgreSQL that was built with OpenSSL, if one is found."""
    chosen = [Path(found)] if (found := os.environ.get("TEST_POSTGRES")) else []
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in [*chosen, *installed] if _links_tls(each / "postgres")), None)


def redis_with_tls() -> str | None:
    """Return a Redis or Valkey that was built with OpenSSL, if one is found."""
    found = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    return next((each for each in found if each and _links_tls(Path(each))), None)


def _links_tls(program: Path) -> bool:
    return program.exists() and b"libssl.so" in program.read_bytes()


@contextlib.contextmanager
def running(server: Server) -> Iterator[int]:
    """Start a server; return its port."""
    server.start()
    try:
        yield server.port
    finally:
        server.stop()
