"""An answer on its way out: its head, and a body of known length or in chunks.

Written here and not by eventlet's WSGI server (0.41.3), which takes as long for it as the gateway
takes for all else that it does itself: an answer whose body is there leaves in one piece.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from werkzeug.wrappers import Response

LAST_CHUNK = b"0\r\n\r\n"
# Of these Werkzeug knows which fields they must not have.
_BODYLESS = (204, 304)


class Manners:
    """The fields that every answer has unless it says otherwise itself."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._lines = [(name.lower(), f"{name}: {text}") for name, text in fields.items()]

    def head(self, response: Response, request_id: str) -> tuple[list[str], set[str]]:
        """Return the lines of an answer's head, and the names of its fields in small letters."""
        lines = [f"HTTP/1.1 {response.status}", f"X-Request-ID: {request_id}"]
        given = {"x-request-id"}
        for name, text in _fields(response):
            key = name.lower()
            if key != "x-request-id":
                given.add(key)
                lines.append(f"{name}: {text}")
        lines += [line for name, line in self._lines if name not in given]
        if "date" not in given:
            lines.append(_date(int(time.time())))
        return lines, given


class Answer:
    """What is sent for a request of this ``method`` and ``version``."""

    def __init__(
        self,
        response: Response,
        request_id: str,
        manners: Manners,
        method: str = "",
        version: str = "HTTP/1.1",
    ) -> None:
        self._response = response
        lines, given = manners.head(response, request_id)
        bodyless = response.status_code in _BODYLESS
        self._body = response.get_data() if response.is_sequence else None
        self._has_body = not bodyless and method != "HEAD"
        # Where nothing but the end of the connection tells the end of the body.
        self.ends = False
        self._chunked = False
        if "content-length" in given or bodyless:
            pass
        elif self._body is not None:
            lines.append(f"Content-Length: {len(self._body)}")
        elif version == "HTTP/1.1":
            self._chunked = True
            lines.append("Transfer-Encoding: chunked")
        else:
            self.ends = True
        self._head = "\r\n".join(lines).encode("latin-1")

    @property
    def is_made_meanwhile(self) -> bool:
        """Whether there is a body that is not there yet."""
        return self._has_body and self._body is None

    def send(self, sock: Any, connection: str = "") -> None:
        """Send it all; ``connection`` is what the field of that name says, if anything."""
        for piece in self.pieces(connection):
            sock.sendall(piece)

    def pieces(self, connection: str) -> Iterator[bytes]:
        """Yield what is to be sent: at once, or as it is made."""
        said = b"\r\nConnection: %b" % connection.encode() if connection else b""
        head = b"%b%b\r\n\r\n" % (self._head, said)
        yield head + (self._body or b"") if self._has_body else head
        if not self.is_made_meanwhile:
            return
        for piece in filter(None, self._response.iter_encoded()):
            yield b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece
        if self._chunked:
            yield LAST_CHUNK

    def close(self) -> None:
        """Let go of what the body was made of."""
        self._response.close()


def _fields(response: Response) -> Iterable[tuple[str, str]]:
    """Return an answer's fields; those of Location and of an answer without a body made right."""
    status = response.status_code
    if status in _BODYLESS or status < 200 or 300 <= status < 400 or status == 201:
        return response.get_wsgi_headers({})
    return response.headers


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}"
