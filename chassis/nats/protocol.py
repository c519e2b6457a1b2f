"""The lines of NATS's client protocol: written, and read out of whatever pieces arrive."""

from typing import Any

import msgspec

PING = b"PING\r\n"
PONG = b"PONG\r\n"
NO_RESPONDERS = b"503"
_VERSION = "NATS/1.0"
_MESSAGES = (b"MSG ", b"HMSG")
_LONGEST_LINE = 1 << 20  # INFO of a large cluster is long


class ProtocolError(ConnectionError):
    """What arrived is not NATS's protocol."""


class Message:
    """What was published on a subject that we listen to."""

    __slots__ = ("data", "head", "reply", "sid", "subject")

    def __init__(self, subject: str, sid: int, reply: str, head: bytes, data: bytes) -> None:
        self.subject = subject
        self.sid = sid
        self.reply = reply
        self.head = head
        self.data = data

    @property
    def status(self) -> bytes:
        """Return what NATS itself says with the message, as ``503``; mostly nothing."""
        return self.head[9:12] if self.head.startswith(b"NATS/1.0 ") else b""

    def header(self, name: bytes) -> bytes:
        """Return a header, or nothing."""
        begin = self.head.find(b"\r\n" + name + b":")
        if begin < 0:
            return b""
        begin += len(name) + 3
        return self.head[begin : self.head.find(b"\r\n", begin)].strip()


class Control:
    """What a server says beside messages: INFO, PING, PONG, or an error."""

    __slots__ = ("text", "verb")

    def __init__(self, verb: bytes, text: bytes) -> None:
        self.verb = verb
        self.text = text

    def info(self) -> dict[str, Any]:
        """Return what INFO tells."""
        try:
            told = msgspec.json.decode(self.text)
        except ValueError as error:
            raise ProtocolError(f"INFO is no JSON: {error}") from None
        if not isinstance(told, dict):
            raise ProtocolError("INFO is no object")
        return told


class Parser:
    """Makes messages of pieces that end anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Message | Control]:
        """Return what is complete; raise ProtocolError."""
        data = self._rest + piece if self._rest else piece
        found: list[Message | Control] = []
        at = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            if data[at : at + 4] in _MESSAGES:
                message, after = _message(data, at, end)
                if message is None:
                    break
                found.append(message)
                at = after
            else:
                words = data[at:end].split(None, 1)
                if words:
                    found.append(Control(words[0].upper(), words[1] if len(words) > 1 else b""))
                at = end + 2
        self._rest = data[at:]
        if end < 0 and len(self._rest) > _LONGEST_LINE:
            raise ProtocolError("a line without end")
        return found


def _message(data: bytes, at: int, end: int) -> tuple[Message | None, int]:
    """Read ``[H]MSG subject sid [reply] [header size] size``, if all of it is there."""
    words = data[at:end].split()
    headed = len(words[0]) == 4
    given = len(words) - headed
    if not 4 <= given <= 5:
        raise ProtocolError("malformed MSG")
    try:
        sid, size = int(words[2]), int(words[-1])
        body = head = end + 2
        if headed:
            body += int(words[-2])
    except ValueError:
        raise ProtocolError("malformed MSG") from None
    after = head + size
    if len(data) < after + 2:
        return None, at
    reply = words[3].decode() if given == 5 else ""
    subject = words[1].decode()
    return Message(subject, sid, reply, data[head:body], data[body:after]), after + 2


def publication(subject: str, body: bytes, reply: str = "", head: bytes = b"") -> bytes:
    """Write a message."""
    if not head:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(body), body)
    size = len(head)
    line = (subject.encode(), reply.encode(), size, size + len(body), head, body)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % line


def head_of(headers: dict[str, str]) -> bytes:
    """Write headers."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([_VERSION, *lines, "\r\n"]).encode()


def headers_of(head: bytes) -> dict[str, str]:
    """Read headers."""
    lines = head.decode(errors="replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name: value.strip() for name, _, value in pairs}


def subscription(subject: str, queue: str, sid: int) -> bytes:
    """Write that we listen to a subject."""
    return f"SUB {subject} {queue} {sid}\r\n".encode()


def unsubscription(sid: int) -> bytes:
    """Write that we listen no more."""
    return f"UNSUB {sid}\r\n".encode()


def connect(options: dict[str, Any]) -> bytes:
    """Write who we are, and what we understand."""
    return b"CONNECT " + msgspec.json.encode(options) + b"\r\n"
