"""Ports of this machine."""

import errno
import os
import random
import socket
import sys
from collections import deque

LOOPBACK = "127.0.0.1"
BELOW_EPHEMERAL = (10240, 32000)
# Of the ports that this process was given last: descriptors, which are closed with it.
_marks: deque[int] = deque(maxlen=256)


def obstacle(host: str, port: int) -> str:
    """Return why a server could not listen on the port, or nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as candidate:
        # Connections of an earlier server that still linger are no obstacle.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            return "is in use" if in_use else f"cannot be had on {host} ({error.strerror})"
        return ""


def free_port() -> int:
    """Return a port that is free now, and is none that the system gives to outgoing connections.

    No other process is given it here while this one lives, though it may listen there only later.
    """
    while obstacle(LOOPBACK, port := random.randrange(*BELOW_EPHEMERAL)) or not _mark(port):
        pass
    return port


def _mark(port: int) -> bool:
    """Take the port's name, which goes with the process; return whether it was free."""
    if sys.platform != "linux":  # which alone has names that are no files
        return True
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mark.bind(f"\0delinkcious-port-{port}")
    except OSError:
        mark.close()
        return False
    if len(_marks) == _marks.maxlen:
        os.close(_marks.popleft())
    _marks.append(mark.detach())
    return True
