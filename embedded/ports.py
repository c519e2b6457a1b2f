"""Ports of this machine."""

import errno
import random
import socket

LOOPBACK = "127.0.0.1"
BELOW_EPHEMERAL = (10240, 32000)


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
    """Return a port that is free now, and is none that the system gives to outgoing connections."""
    while obstacle(LOOPBACK, port := random.randrange(*BELOW_EPHEMERAL)):
        pass
    return port
