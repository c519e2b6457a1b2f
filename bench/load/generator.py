"""A lean load generator: one thread, raw sockets that stay open, requests made beforehand.

Each connection has one request under way at a time, and sends the next one when the answer is
there. What the generator can do at most is measured in the same run, against trivial.py.
"""

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+) *\r\n", re.IGNORECASE)
STALLED_SECONDS = 10.0

Address = tuple[str, int]


@dataclass
class Sample:
    """What one run has seen: seconds of each answer that was a success, and what was none."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of the generator itself
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def drive(
    address: Address, requests: Iterator[bytes], connections: int, seconds: float = float("inf")
) -> Sample:
    """Send requests over some connections until the time is over, or there are no more."""
    sample = Sample()
    with selectors.DefaultSelector() as selector:
        opened = [_Connection(address) for _ in range(connections)]
        began, busy = time.perf_counter(), time.process_time()
        for connection in opened:
            if request := next(requests, None):
                connection.send(request)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            ready = selector.select(STALLED_SECONDS)
            if not ready:
                sample.errors["no answer"] += len(selector.get_map())
                break
            for key, _ in ready:
                connection = key.data
                if not connection.receive(sample):
                    continue
                more = time.perf_counter() - began < seconds and not connection.closed
                if more and (request := next(requests, None)):
                    connection.send(request)
                else:
                    selector.unregister(connection.socket)
        sample.seconds = time.perf_counter() - began
        sample.cpu_seconds = time.process_time() - busy
    for connection in opened:
        connection.socket.close()
    return sample


class _Connection:
    """One request, one answer, and so on."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection(address, STALLED_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.closed = False
        self._sent = 0.0
        self._received = b""
        self._size: int | None = None

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._received, self._size = b"", None
        self._sent = time.perf_counter()
        self.socket.sendall(request)

    def receive(self, sample: Sample) -> bool:
        """Take what has come; tell whether it was the last of an answer, which is then counted."""
        try:
            piece = self.socket.recv(1 << 16)
        except OSError:
            piece = b""
        if not piece:
            sample.errors["closed"] += 1
            self.closed = True
            return True
        self._received += piece
        self._size = self._size or _size(self._received)
        if self._size is None or len(self._received) < self._size:
            return False
        status = self._received[9:12]
        if not self._size:
            sample.errors["no length"] += 1
            self.closed = True
        elif status == b"200":
            sample.latencies.append(time.perf_counter() - self._sent)
        else:
            sample.errors[status.decode(errors="replace")] += 1
        return True


def _size(received: bytes) -> int | None:
    """Return the size of the whole answer; None as long as its head is not there, 0 if unknown."""
    end = received.find(HEAD_END)
    if end < 0:
        return None
    length = LENGTH.search(received, 0, end + 2)
    return end + len(HEAD_END) + int(length[1]) if length else 0
