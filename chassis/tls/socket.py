"""TLS on a green socket that one green thread reads while another one writes.

eventlet's own (0.41.3) lets a reader fail with odd errors when another thread shuts it down, and
copies what is left of a large message for each part that it sends.
"""

import ssl
from typing import Any

from eventlet.semaphore import Semaphore

_READ_BYTES = 16384


class TlsSocket:
    """What a connection needs of a socket; agrees with the other end when it is first used."""

    def __init__(self, sock: Any, context: Any, *, alpn: str, server_name: str | None) -> None:
        self._sock = sock
        self._alpn = alpn
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name,
        )
        self._agreed = False
        self._flushing = Semaphore(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def handshake(self) -> None:
        """Agree with the other end on TLS and on what is spoken over it; raise OSError."""
        while not self._agreed:
            try:
                self._tls.do_handshake()
                self._agreed = True
            except ssl.SSLWantReadError:
                pass
            finally:
                self._flush()  # also to say what was wrong
            if not self._agreed and not self._receive():
                raise ConnectionError("ended amid the handshake")
        if self._tls.selected_alpn_protocol() != self._alpn:
            raise ssl.SSLError(f"the other end does not speak {self._alpn}")

    def recv(self, size: int) -> bytes:
        """Return what has arrived, or nothing when the other end has said all."""
        while True:
            try:
                data: bytes = self._tls.read(size)
                return data
            except ssl.SSLWantReadError:
                self._flush()
                if not self._receive():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self.handshake()
        self._tls.write(data)
        self._flush()

    def _receive(self) -> bool:
        data = self._sock.recv(_READ_BYTES)
        self._incoming.write(data)
        return bool(data)

    def _flush(self) -> None:
        while self._outgoing.pending:
            with self._flushing:
                self._sock.sendall(self._outgoing.read())
