"""TLS over the bytes of a connection to NATS that come and go without waiting."""

import ssl
from typing import Any

READ_BYTES = 1 << 16


class Sealed:
    """What both ends have agreed upon; raises OSError when they do not."""

    def __init__(self, sock: Any, context: Any, server_name: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=False, server_hostname=server_name
        )
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                sock.sendall(self._outgoing.read())
            except ssl.SSLError:
                sock.sendall(self._outgoing.read())  # to say what was wrong
                raise
            else:
                sock.sendall(self._outgoing.read())
                return
            data = sock.recv(READ_BYTES)
            if not data:
                raise ConnectionResetError("ended amid the handshake")
            self._incoming.write(data)

    def opened(self, data: bytes) -> bytes:
        """Return what the server says in these bytes."""
        self._incoming.write(data)
        pieces = []
        try:
            while piece := self._tls.read(READ_BYTES):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            raise ConnectionResetError("the server hung up") from None
        return b"".join(pieces)

    def sealed(self, data: bytes) -> bytes:
        """Return the bytes that say it."""
        self._tls.write(data)
        return self._outgoing.read()
