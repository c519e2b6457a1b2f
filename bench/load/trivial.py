"""A server that does nothing but answer: what it reaches is the most that can be measured here.

``python -m bench.load.trivial`` prints its port, and serves until it is killed.
"""

import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load.generator import Address
from embedded.child import Child

HOST = "127.0.0.1"
BODY = b"x" * 2000  # about as much as a page of ten links
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@contextmanager
def running() -> Iterator[Address]:
    """Run the server in a process of its own; give its address."""
    command = [sys.executable, "-m", "bench.load.trivial"]
    process = Child(command, output=subprocess.PIPE, cwd=Path(__file__).resolve().parents[2])
    assert process.process.stdout is not None
    with process.process.stdout as output:
        try:
            yield HOST, int(output.readline())
        finally:
            process.kill()


def main() -> None:
    """Serve."""
    with socket.create_server((HOST, 0)) as listener, selectors.DefaultSelector() as ready:
        print(listener.getsockname()[1], flush=True)
        ready.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is listener:
                    ready.register(listener.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket) and not _answer(key.fileobj):
                    ready.unregister(key.fileobj)
                    key.fileobj.close()


def _answer(connection: socket.socket) -> bool:
    """Answer a request, which comes in one piece; tell whether the caller is still there."""
    try:
        if connection.recv(1 << 16):
            connection.sendall(ANSWER)
            return True
    except OSError:
        pass
    return False


if __name__ == "__main__":
    main()
