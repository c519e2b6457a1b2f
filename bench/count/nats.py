"""Everything that goes over NATS, seen by one more subscriber."""

import json
import socket

from embedded.ports import LOOPBACK

SECONDS = 20.0
NOBODY = b'"nobody"'  # whom health checks ask for
CALL, REPLY = "nameko-rpc.", "nameko-rpc.reply."


class Tap:
    """A client that hears every subject; it asks for no headers, and so gets none."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), SECONDS)
        self._stream = self._socket.makefile("rb")
        self._stream.readline()  # INFO
        options = {"verbose": False, "pedantic": False, "lang": "python", "version": "1"}
        self._socket.sendall(b"CONNECT %b\r\nSUB > 1\r\n" % json.dumps(options).encode())
        self.subjects()

    def close(self) -> None:
        """Hear no more."""
        self._stream.close()
        self._socket.close()

    def subjects(self) -> list[str]:
        """Return the subjects of the messages since the last call.

        The server answers a PING after what it has already taken in for us.
        """
        found = []
        self._socket.sendall(b"PING\r\n")
        while (line := self._stream.readline()) != b"PONG\r\n":
            word, *rest = line.split() or [b""]
            if word == b"MSG":
                message = self._stream.read(int(rest[-1]) + 2)
                if NOBODY not in message:
                    found.append(rest[0].decode())
            elif word == b"PING":
                self._socket.sendall(b"PONG\r\n")
            elif not word or word == b"-ERR":
                raise ConnectionError(f"NATS says {line!r}")
        return found


def calls(subjects: list[str]) -> int:
    """Return how many messages are calls of services."""
    return sum(each.startswith(CALL) and not each.startswith(REPLY) for each in subjects)
